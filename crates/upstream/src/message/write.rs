//! Writing messages to an upstream.

use std::fmt;
use std::io::Write as _;

use bytes::Bytes;
use mcp_stateless::protocol::RpcError;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::meta;

/// Members of a JSON object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(Vec<u8>);

impl Members {
    /// Adds a member whose value is already JSON.
    pub(crate) fn push_raw(&mut self, name: &str, json: &str) {
        self.push_key(name);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Adds a member. The value must serialise without errors, like strings, numbers and maps with
    /// string keys; otherwise `null` is written.
    pub(crate) fn push(&mut self, name: &str, value: impl Serialize) {
        self.push_key(name);
        json(&mut self.0, &value);
    }

    /// Adds the members of another object.
    pub(crate) fn append(&mut self, others: &Self) {
        if !others.0.is_empty() {
            self.separate();
            self.0.extend_from_slice(&others.0);
        }
    }

    fn push_key(&mut self, name: &str) {
        self.separate();
        json(&mut self.0, &name);
        self.0.push(b':');
    }

    /// Writes a comma unless this is the first member. No value ends with `{`.
    fn separate(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{')) {
            self.0.push(b',');
        }
    }
}

/// The space before `params` for the members that precede them. They are written once the id of the
/// request is known, so that a message needs one buffer and no copy. Large enough for all methods.
const HEAD: usize = 96;

/// A builder for the `params` of a message.
#[derive(Clone, Debug)]
pub(crate) struct Params(Members);

impl Params {
    pub(crate) fn new() -> Self {
        Self::with_capacity(128)
    }

    /// Creates a builder with room for members of `size` bytes.
    pub(crate) fn with_capacity(size: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEAD + size);
        buffer.resize(HEAD, b' ');
        buffer.push(b'{');
        Self(Members(buffer))
    }

    /// Adds a member whose value is already JSON.
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        self.0.push_raw(name, json);
        self
    }

    /// Adds a member. The value must serialise without errors, like strings, numbers and maps with
    /// string keys; otherwise `null` is written.
    pub(crate) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.0.push(name, value);
        self
    }

    /// Completes the message with these `params`.
    fn into_message(self, head: fmt::Arguments<'_>) -> Message {
        let Self(Members(mut buffer)) = self;
        buffer.extend_from_slice(b"}}");
        let mut space = [0; HEAD];
        let mut rest = &mut space[..];
        if rest.write_fmt(head).is_ok() {
            let start = rest.len();
            let length = HEAD - start;
            buffer[start..HEAD].copy_from_slice(&space[..length]);
            return Message { buffer, start };
        }
        buffer.splice(..HEAD, head.to_string().into_bytes());
        Message { buffer, start: 0 }
    }
}

/// The text of a message to an upstream.
#[derive(Debug)]
pub(crate) struct Message {
    buffer: Vec<u8>,
    /// The offset of the message in the buffer.
    start: usize,
}

impl Message {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Returns the buffer and the offset of the message in it.
    pub(crate) fn into_parts(self) -> (Vec<u8>, usize) {
        (self.buffer, self.start)
    }
}

impl From<Message> for Bytes {
    fn from(message: Message) -> Self {
        Self::from(message.buffer).slice(message.start..)
    }
}

impl From<Vec<u8>> for Message {
    fn from(buffer: Vec<u8>) -> Self {
        Self { buffer, start: 0 }
    }
}

fn json(buffer: &mut Vec<u8>, value: &impl Serialize) {
    let start = buffer.len();
    if serde_json::to_writer(&mut *buffer, value).is_err() {
        buffer.truncate(start);
        buffer.extend_from_slice(b"null");
    }
}

/// Writes a request. `meta` becomes `_meta`, unless it is empty.
pub(crate) fn request(id: i64, method: &'static str, mut params: Params, meta: &Meta<'_>) -> Message {
    meta.write(&mut params);
    params.into_message(format_args!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":"#))
}

/// The `_meta` of a request.
#[derive(Default)]
pub(crate) struct Meta<'a> {
    /// The progress token.
    pub(crate) token: Option<i64>,
    /// This client's members, as JSON.
    pub(crate) fixed: &'a [(&'a str, &'a str)],
    /// The members of the caller's client.
    pub(crate) own: Members,
}

impl Meta<'_> {
    fn write(&self, Params(params): &mut Params) {
        if self.token.is_none() && self.fixed.is_empty() && self.own.0.is_empty() {
            return;
        }
        params.push_key("_meta");
        params.0.push(b'{');
        if let Some(token) = self.token {
            params.push(meta::PROGRESS_TOKEN, token);
        }
        for (name, json) in self.fixed {
            params.push_raw(name, json);
        }
        if !self.own.0.is_empty() {
            params.separate();
            params.0.extend_from_slice(&self.own.0);
        }
        params.0.push(b'}');
    }
}

/// Writes a notification.
pub(crate) fn notification(method: &'static str, params: Option<Params>) -> Message {
    match params {
        Some(params) => {
            params.into_message(format_args!(r#"{{"jsonrpc":"2.0","method":"{method}","params":"#))
        }
        None => format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#).into_bytes().into(),
    }
}

/// Writes the response to a question of the upstream.
pub(crate) fn response(id: &RawValue, answer: &Result<Box<RawValue>, RpcError>) -> Message {
    let mut buffer = format!(r#"{{"jsonrpc":"2.0","id":{},"#, id.get()).into_bytes();
    match answer {
        Ok(result) => {
            buffer.extend_from_slice(br#""result":"#);
            buffer.extend_from_slice(result.get().as_bytes());
        }
        Err(error) => {
            buffer.extend_from_slice(format!(r#""error":{{"code":{},"message":"#, error.code()).as_bytes());
            json(&mut buffer, &error.message());
            if let Some(data) = error.data() {
                buffer.extend_from_slice(br#","data":"#);
                buffer.extend_from_slice(data.as_bytes());
            }
            buffer.push(b'}');
        }
    }
    buffer.push(b'}');
    buffer.into()
}

#[cfg(test)]
mod tests {
    use mcp_stateless::protocol::{ErrorCode, RpcError};
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::{Message, Meta, Params, notification, request, response};

    fn text(message: &Message) -> &str {
        std::str::from_utf8(message.as_bytes()).expect("UTF-8")
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn arguments_go_out_as_they_came() {
        let arguments = r#"{"b": 1.0, "a": 12345678901234567890123}"#;
        let params = Params::new().with("name", "t").raw("arguments", arguments);
        let message = request(9, "tools/call", params, &Meta::default());
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
        );
        assert_eq!(text(&message), expected);
    }

    #[test]
    fn meta_is_the_token_then_ours_then_the_clients() {
        let mut meta = Meta { token: Some(-7), fixed: &[("a", "1"), ("b", "{}")], ..Meta::default() };
        meta.own.push_raw("c", "[1]");
        meta.own.push("d", "e");
        let message = request(i64::MIN, "resources/templates/list", Params::new(), &meta);
        let expected = r#"{"progressToken":-7,"a":1,"b":{},"c":[1],"d":"e"}}}"#;
        assert!(text(&message).ends_with(expected), "{}", text(&message));
        let message = notification("notifications/x", Some(Params::new().with("y", 1)));
        assert_eq!(text(&message), r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"y":1}}"#);
        let message = notification("notifications/x", None);
        assert_eq!(text(&message), r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    }

    #[test]
    fn an_answer_carries_the_id_of_its_question_as_it_came() {
        let text = |answer: Result<Box<RawValue>, RpcError>| {
            text(&response(&raw(r#""a\u0031""#), &answer)).to_owned()
        };
        assert_eq!(text(Ok(raw(r#"{"x": 1}"#))), r#"{"jsonrpc":"2.0","id":"a\u0031","result":{"x": 1}}"#);
        let error = RpcError::new(ErrorCode(-1), "no").with_data(json!([1]));
        assert_eq!(
            text(Err(error)),
            r#"{"jsonrpc":"2.0","id":"a\u0031","error":{"code":-1,"message":"no","data":[1]}}"#
        );
    }
}
