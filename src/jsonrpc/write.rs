//! Writes replies directly into their buffer.

use std::fmt;
use std::io::Write as _;

use serde::Serialize;

pub(crate) use super::quote::string;
use super::{ErrorCode, Id, Raw, RpcError};

/// The id of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ReplyId<'a> {
    /// The id of the request.
    Request(Id<'a>),
    /// The id could not be read: `null`, as revisions before 2025-11-25 require.
    Null,
    /// The id could not be read: the member is absent.
    Absent,
}

impl<'a> ReplyId<'a> {
    /// Returns the id of the request if it was read, else `self`.
    pub(crate) fn or_request(self, id: Option<Id<'a>>) -> Self {
        id.map_or(self, ReplyId::Request)
    }
}

/// The start of a reply: everything before its `result` or `error`. It contains the request's id,
/// so the reply can be finished without the request.
#[derive(Debug)]
pub(crate) struct ReplyStart(Vec<u8>);

impl ReplyStart {
    /// Starts the reply to the request with this id. Reserves capacity for a small reply.
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

    /// Finishes the reply with the result that `write` appends.
    pub(crate) fn result(mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        self.0.extend_from_slice(br#","result":"#);
        write(&mut self.0);
        self.0.push(b'}');
        self.0
    }

    /// Finishes the reply with an error. `code` is the error's code in the era of the request.
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

/// Writes a notification. `write` appends its `params` object.
pub(crate) fn notification(buffer: &mut Vec<u8>, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    buffer.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
    string(buffer, method);
    buffer.extend_from_slice(br#","params":"#);
    write(buffer);
    buffer.push(b'}');
}

/// Writes the key of a member, with a comma before it unless it is the first.
pub(crate) fn key(buffer: &mut Vec<u8>, name: &str) {
    separate(buffer);
    string(buffer, name);
    buffer.push(b':');
}

/// Writes a key that is JSON text, like [`key`].
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

/// Starts an object with those members that have a text.
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

/// Writes a number. Its `Display` must be valid JSON.
pub(crate) fn display(buffer: &mut Vec<u8>, number: impl fmt::Display) {
    // Writing to a `Vec` cannot fail.
    let _ = write!(buffer, "{number}");
}

/// Writes any value as JSON.
///
/// # Errors
/// Returns an error if the value cannot be written as JSON, such as a map whose keys are not strings. The
/// buffer is then unchanged.
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
