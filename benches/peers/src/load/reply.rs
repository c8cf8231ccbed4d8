//! Replies, in whatever version of HTTP they came.

use std::io;

/// A whole reply, kept for a check of its content.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) is_event_stream: bool,
    pub(crate) body: Vec<u8>,
}

/// Holds every reply on a connection to status 200 and the first one's length.
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
