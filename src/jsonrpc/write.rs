//! Writes replies directly into their buffer.

use std::fmt;
use std::io::Write as _;

use serde::Serialize;

use super::special::{Specials, is_special};
use super::{ErrorCode, Id, Raw, RpcError, escape};

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
/// When the value cannot be written as JSON, such as a map whose keys are not strings. The buffer is
/// then unchanged.
pub(crate) fn json(buffer: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, value).inspect_err(|_| buffer.truncate(start))
}

/// The length in bytes above which a text's escaped length is computed before it is written.
const LARGE: usize = 256;

/// Extra capacity after a large text, in bytes. Without it, the end of the message would make the
/// buffer grow again, which copies everything.
const END: usize = 1024;

/// Writes a JSON string.
///
/// Large texts are common in results, so clean stretches are found with SIMD and copied whole, and
/// the buffer grows only once.
pub(crate) fn string(buffer: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if bytes.len() > LARGE {
        buffer.reserve(escaped_len(bytes) + 2 + END);
    }
    buffer.push(b'"');
    let mut clean_from = 0;
    for found in Specials::new(bytes, 0) {
        clean(buffer, &bytes[clean_from..], found - clean_from);
        escape::write(buffer, bytes[found]);
        clean_from = found + 1;
    }
    buffer.extend_from_slice(&bytes[clean_from..]);
    buffer.push(b'"');
}

/// Returns the length of the escaped string. Counts without branches and in bytes, so that the
/// compiler can vectorise the loop.
fn escaped_len(bytes: &[u8]) -> usize {
    // A byte adds at most 5, and 48 * 5 fits into a `u8`.
    let (chunks, rest) = bytes.as_chunks::<48>();
    let more = |bytes: &[u8]| usize::from(bytes.iter().map(|&byte| more_when_escaped(byte)).sum::<u8>());
    bytes.len() + chunks.iter().map(|chunk| more(chunk)).sum::<usize>() + more(rest)
}

/// Returns how many bytes escaping adds to a byte: 0 for `a`, 1 for `\n`, 5 for `\u0001`.
fn more_when_escaped(byte: u8) -> u8 {
    let with_letter = u8::from((0x08..=0x0d).contains(&byte)) - u8::from(byte == 0x0b);
    u8::from(is_special(byte)) + 4 * (u8::from(byte < 0x20) - with_letter)
}

/// Appends the first `length` bytes of `text`. Most stretches are short, and a copy of a fixed size
/// is cheaper than one of variable length.
fn clean(buffer: &mut Vec<u8>, text: &[u8], length: usize) {
    match text.first_chunk::<32>() {
        Some(chunk) if length <= chunk.len() => {
            let end = buffer.len() + length;
            buffer.extend_from_slice(chunk);
            buffer.truncate(end);
        }
        _ => buffer.extend_from_slice(&text[..length]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Id, ReplyId, ReplyStart, escaped_len, string};
    use crate::jsonrpc::{ErrorCode, RpcError};

    fn written(text: &str) -> String {
        let mut buffer = Vec::new();
        string(&mut buffer, text);
        String::from_utf8(buffer).expect("JSON is UTF-8")
    }

    proptest! {
        #[test]
        fn strings_are_written_as_serde_json_writes_them(text in "(?s)(.|[\u{0}-\u{1f}\"\\\\]|[a-z ]{0,12}){0,64}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).expect("a string is JSON"));
            prop_assert_eq!(written(&text).len(), escaped_len(text.as_bytes()) + 2);
        }
    }

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
