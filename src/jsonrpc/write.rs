//! Writes replies straight into their buffer.

use std::fmt;
use std::io::Write as _;

use serde::Serialize;

pub(crate) use super::quote::string;
use super::{ErrorCode, Id, Raw, RpcError};

/// Which id an error reply carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ReplyId<'a> {
    /// That of the request.
    Request(Id<'a>),
    /// It could not be read: `null`, as revisions before 2025-11-25 want it.
    Null,
    /// It could not be read: no member at all.
    Absent,
}

impl<'a> ReplyId<'a> {
    /// The id, if it was read, else `self`.
    pub(crate) fn or_request(self, id: Option<Id<'a>>) -> Self {
        id.map_or(self, ReplyId::Request)
    }
}

/// A reply that has begun: everything up to its `result` or `error`.
///
/// It holds the request's id, so that nothing else of the request has to stay
/// for the reply to be finished.
#[derive(Debug)]
pub(crate) struct ReplyStart(Vec<u8>);

impl ReplyStart {
    /// Begins a reply to the request with this id; room is made for a small one.
    pub(crate) fn new(id: ReplyId<'_>) -> Self {
        let mut buffer = Vec::with_capacity(256);
        buffer.extend_from_slice(br#"{"jsonrpc":"2.0""#);
        match id {
            ReplyId::Request(id) => {
                buffer.extend_from_slice(br#","id":"#);
                buffer.extend_from_slice(id.as_json().as_bytes());
            }
            ReplyId::Null => buffer.extend_from_slice(br#","id":null"#),
            ReplyId::Absent => {}
        }
        Self(buffer)
    }

    /// Finishes the reply with the result that `write` puts into the buffer.
    pub(crate) fn result(mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        self.0.extend_from_slice(br#","result":"#);
        write(&mut self.0);
        self.0.push(b'}');
        self.0
    }

    /// Finishes the reply with an error, under the code that the era has for it.
    pub(crate) fn error(mut self, error: &RpcError, code: ErrorCode) -> Vec<u8> {
        let buffer = &mut self.0;
        buffer.extend_from_slice(br#","error":{"code":"#);
        display(buffer, code);
        buffer.extend_from_slice(br#","message":"#);
        string(buffer, error.message());
        if let Some(data) = error.data() {
            buffer.extend_from_slice(br#","data":"#);
            buffer.extend_from_slice(data.as_bytes());
        }
        buffer.extend_from_slice(b"}}");
        self.0
    }
}

/// Writes a notification whose `params` object `write` puts into the buffer.
pub(crate) fn notification(buffer: &mut Vec<u8>, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    buffer.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
    string(buffer, method);
    buffer.extend_from_slice(br#","params":"#);
    write(buffer);
    buffer.push(b'}');
}

/// Writes a member of an object, preceded by a comma unless it is the first.
pub(crate) fn key(buffer: &mut Vec<u8>, name: &str) {
    separate(buffer);
    string(buffer, name);
    buffer.push(b':');
}

/// The same for a key that is JSON already, and stays as it is.
pub(crate) fn raw_key(buffer: &mut Vec<u8>, key: Raw<'_>) {
    separate(buffer);
    buffer.extend_from_slice(key.text().as_bytes());
    buffer.push(b':');
}

fn separate(buffer: &mut Vec<u8>) {
    if buffer.last() != Some(&b'{') {
        buffer.push(b',');
    }
}

/// Begins an object with the texts that are there.
pub(crate) fn texts<'t>(texts: impl IntoIterator<Item = (&'t str, Option<&'t str>)>) -> Vec<u8> {
    let mut buffer = vec![b'{'];
    for (name, text) in texts {
        if let Some(text) = text {
            key(&mut buffer, name);
            string(&mut buffer, text);
        }
    }
    buffer
}

/// Writes a number, which must be one that displays as JSON.
pub(crate) fn display(buffer: &mut Vec<u8>, number: impl fmt::Display) {
    // A vector takes all that it is given.
    let _ = write!(buffer, "{number}");
}

/// Writes any value as JSON.
///
/// # Errors
/// When the value cannot be JSON, such as a map whose keys are no strings; the
/// buffer is then as it was.
pub(crate) fn json(buffer: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, value).inspect_err(|_| buffer.truncate(start))
}

#[cfg(test)]
mod tests {
    use super::{Id, ReplyId, ReplyStart};
    use crate::jsonrpc::{ErrorCode, RpcError};

    #[test]
    fn an_error_reply_carries_the_id_that_could_be_read() {
        let error = RpcError::new(ErrorCode::PARSE_ERROR, "no \"JSON\"").with_data([1]);
        let reply = |id| String::from_utf8(ReplyStart::new(id).error(&error, error.code())).expect("UTF-8");
        let rest = r#""error":{"code":-32700,"message":"no \"JSON\"","data":[1]}}"#;
        let one = Id::from_json("1").expect("an integer");
        assert_eq!(reply(ReplyId::Request(one)), format!(r#"{{"jsonrpc":"2.0","id":1,{rest}"#));
        assert_eq!(reply(ReplyId::Null), format!(r#"{{"jsonrpc":"2.0","id":null,{rest}"#));
        assert_eq!(reply(ReplyId::Absent), format!(r#"{{"jsonrpc":"2.0",{rest}"#));
    }
}
