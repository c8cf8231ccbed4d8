//! Replies in either version of HTTP.

use std::io;

/// A complete reply, kept to check its content.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) is_event_stream: bool,
    pub(crate) body: Vec<u8>,
}

/// Requires that every reply on a connection has status 200 and the length of the first one.
#[derive(Default)]
pub(super) struct Uniform {
    body_length: Option<usize>,
}

impl Uniform {
    pub(super) fn check(&mut self, status: u16, length: usize) -> io::Result<()> {
        if status != 200 {
            return Err(io::Error::other(format!("status {status}")));
        }
        match self.body_length {
            Some(expected) if expected != length => {
                Err(io::Error::other(format!("a body of {length} bytes after one of {expected}")))
            }
            _ => {
                self.body_length = Some(length);
                Ok(())
            }
        }
    }
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed reply: {what}"))
}
