//! Reading and writing the JSON-RPC messages of an upstream. No transport, no state.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use mcp_stateless::protocol::{ErrorCode, LogLevel, RpcError};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::meta;

/// The maximum number of messages in one batch.
const MOST_IN_BATCH: usize = 1024;

/// A message from the upstream.
#[derive(Debug)]
pub(super) enum Incoming<'a> {
    Response { id: Option<i64>, outcome: Outcome<'a> },
    Request { id: &'a RawValue, method: Cow<'a, str>, params: Option<&'a RawValue> },
    Notification { method: Cow<'a, str>, params: Option<&'a RawValue> },
}

/// The content of a response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
    /// Neither a result nor an error.
    Nothing,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Deserialises a member for which `null` is a value.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Incoming<'a> {
    /// Reads the messages of a text: one message or a batch. Anything else is logged and skipped.
    pub(super) fn read(text: &'a str) -> impl Iterator<Item = Self> {
        let text = text.trim();
        let (one, batch) = if text.starts_with('[') {
            (None, serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default())
        } else {
            (Some(text), Vec::new())
        };
        let batch = batch.into_iter().take(MOST_IN_BATCH).map(RawValue::get);
        one.into_iter().chain(batch).filter_map(Self::read_one)
    }

    fn read_one(text: &'a str) -> Option<Self> {
        // Serde would also accept an array for a struct.
        let envelope = text.starts_with('{').then(|| serde_json::from_str::<Envelope<'_>>(text));
        let Some(Ok(Envelope { id, method, params, result, error })) = envelope else {
            tracing::debug!("an upstream sent something that is not a JSON-RPC message");
            return None;
        };
        Some(match (id, method) {
            (Some(id), Some(method)) => Self::Request { id, method, params },
            (None, Some(method)) => Self::Notification { method, params },
            (id, None) => {
                let outcome = match (result, error) {
                    (Some(result), _) => Outcome::Result(result),
                    (None, Some(error)) => Outcome::Error(error),
                    (None, None) => Outcome::Nothing,
                };
                // Some servers turn a numeric id into a string.
                Self::Response { id: id.and_then(|id| id.get().trim_matches('"').parse().ok()), outcome }
            }
        })
    }
}

/// Members of a JSON object.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<u8>);

impl Members {
    /// Adds a member whose value is already JSON.
    pub(super) fn push_raw(&mut self, name: &str, json: &str) {
        self.push_key(name);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Adds a member. The value must serialise without errors, like strings, numbers and maps with
    /// string keys; otherwise `null` is written.
    pub(super) fn push(&mut self, name: &str, value: impl Serialize) {
        self.push_key(name);
        json(&mut self.0, &value);
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
pub(super) struct Params(Members);

impl Params {
    pub(super) fn new() -> Self {
        Self::with_capacity(128)
    }

    /// Creates a builder with room for members of `size` bytes.
    pub(super) fn with_capacity(size: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEAD + size);
        buffer.resize(HEAD, b' ');
        buffer.push(b'{');
        Self(Members(buffer))
    }

    /// Adds a member whose value is already JSON.
    pub(super) fn raw(mut self, name: &str, json: &str) -> Self {
        self.0.push_raw(name, json);
        self
    }

    /// Adds a member. The value must serialise without errors, like strings, numbers and maps with
    /// string keys; otherwise `null` is written.
    pub(super) fn with(mut self, name: &str, value: impl Serialize) -> Self {
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
pub(super) struct Message {
    buffer: Vec<u8>,
    /// The offset of the message in the buffer.
    start: usize,
}

impl Message {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Returns the buffer and the offset of the message in it.
    pub(super) fn into_parts(self) -> (Vec<u8>, usize) {
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
pub(super) fn request(id: i64, method: &'static str, mut params: Params, meta: &Meta<'_>) -> Message {
    meta.write(&mut params);
    params.into_message(format_args!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":"#))
}

/// The `_meta` of a request.
#[derive(Default)]
pub(super) struct Meta<'a> {
    /// The progress token.
    pub(super) token: Option<i64>,
    /// This client's members, as JSON.
    pub(super) fixed: &'a [(&'a str, &'a str)],
    /// The members of the caller's client.
    pub(super) own: Members,
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
pub(super) fn notification(method: &'static str, params: Option<Params>) -> Message {
    match params {
        Some(params) => {
            params.into_message(format_args!(r#"{{"jsonrpc":"2.0","method":"{method}","params":"#))
        }
        None => format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#).into_bytes().into(),
    }
}

/// Writes the response to a question of the upstream.
pub(super) fn response(id: &RawValue, answer: &Result<Box<RawValue>, RpcError>) -> Message {
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

/// Reads an error that is passed on to the client.
pub(super) fn error(text: &str) -> RpcError {
    #[derive(Deserialize)]
    struct Error<'a> {
        code: i64,
        #[serde(default)]
        message: String,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let Ok(Error { code, message, data }) = serde_json::from_str(text) else { return RpcError::internal() };
    // Some servers send 0, which is not a JSON-RPC code, for any failure.
    let code = if code == 0 { ErrorCode::INTERNAL_ERROR } else { ErrorCode(code) };
    let error = RpcError::new(code, message);
    match data {
        Some(data) => error.with_data(data),
        None => error,
    }
}

/// Returns an id as a key that tells `1` and `"1"` apart.
pub(super) fn id_key(id: &RawValue) -> String {
    serde_json::from_str::<Value>(id.get()).unwrap_or_default().to_string()
}

/// Returns the key of the request that a `notifications/cancelled` withdraws.
pub(super) fn cancelled(params: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
    }
    serde_json::from_str::<Cancelled<'_>>(params.get()).ok().map(|it| id_key(it.request_id))
}

/// Splits an object into its members. Returns `None` if the text is not an object.
pub(super) fn members(object: &str) -> Option<HashMap<Cow<'_, str>, &RawValue>> {
    #[derive(Deserialize)]
    struct Members<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);
    serde_json::from_str(object).ok().map(|Members(members)| members)
}

/// Calls `take` for each member of an object, in order. Returns `None` if the text is not an object.
pub(super) fn each_member(object: &str, take: impl FnMut(&str, &RawValue)) -> Option<()> {
    struct Each<F>(F);

    impl<'de, F: FnMut(&str, &RawValue)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
            while let Some(Name(name)) = members.next_key()? {
                (self.0)(&name, members.next_value()?);
            }
            Ok(())
        }
    }

    /// A name, borrowed unless it contains escapes.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

    let mut reader = serde_json::Deserializer::from_str(object);
    serde::Deserializer::deserialize_map(&mut reader, Each(take)).and_then(|()| reader.end()).ok()
}

/// Returns a member of an object if it is a string.
pub(super) fn text_member(object: &RawValue, name: &str) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_str(object.get()).ok()?;
    object.get(name)?.as_str().map(str::to_owned)
}

/// The progress of a request.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) value: f64,
    pub(super) total: Option<f64>,
    pub(super) message: String,
}

/// A log message.
#[derive(Clone, Debug)]
pub(super) struct LogMessage {
    pub(super) level: LogLevel,
    pub(super) logger: Arc<str>,
    pub(super) data: Arc<RawValue>,
}

/// Reads a progress notification: the token, which is the id of the request, and the progress.
pub(super) fn progress(params: &RawValue) -> Option<(i64, Progress)> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "progressToken")]
        token: &'a RawValue,
        progress: f64,
        total: Option<f64>,
        message: Option<String>,
    }
    let Params { token, progress, total, message } = serde_json::from_str(params.get()).ok()?;
    let token = token.get().trim_matches('"').parse().ok()?;
    Some((token, Progress { value: progress, total, message: message.unwrap_or_default() }))
}

pub(super) fn log(params: &RawValue) -> Option<LogMessage> {
    #[derive(Deserialize)]
    struct Params {
        level: LogLevel,
        logger: Option<String>,
        data: Box<RawValue>,
    }
    let Params { level, logger, data } = serde_json::from_str(params.get()).ok()?;
    Some(LogMessage { level, logger: logger.unwrap_or_default().into(), data: Arc::from(data) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::{Incoming, Message, Meta, Outcome, Params, error, notification, request, response};
    use mcp_stateless::protocol::{ErrorCode, RpcError};

    fn text(message: &Message) -> &str {
        std::str::from_utf8(message.as_bytes()).expect("UTF-8")
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn a_result_is_taken_letter_by_letter() {
        let text = r#"{"content":[{"type":"text","text":"a\"\u00e9","odd":1.0}], "zzz":{"b":1,"a":12345678901234567890123}}"#;
        let message = format!(r#"{{"jsonrpc":"2.0", "id": "7", "result": {text} }}"#);
        match Incoming::read(&message).collect::<Vec<_>>().as_slice() {
            [Incoming::Response { id: Some(7), outcome: Outcome::Result(result) }] => {
                assert_eq!(result.get(), text);
            }
            other => panic!("not a response: {other:?}"),
        }
    }

    #[test]
    fn a_response_without_a_result_is_a_response() {
        for text in [r#"{"id":7}"#, r#"{"id":7,"result":null}"#, r#"{"id":7,"error":null}"#] {
            let messages: Vec<_> = Incoming::read(text).collect();
            assert!(matches!(messages[..], [Incoming::Response { id: Some(7), .. }]), "{text}: {messages:?}");
        }
        for text in [r#"{"id":null,"error":{}}"#, r#"{"id":"server-error","error":{}}"#] {
            let messages: Vec<_> = Incoming::read(text).collect();
            assert!(matches!(messages[..], [Incoming::Response { id: None, .. }]), "{text}");
        }
    }

    #[test]
    fn a_batch_is_read_message_by_message_and_what_is_not_one_is_left_out() {
        let batch = r#" [{"id":1,"result":{}},5,{"method":"a"},{"id":"x","method":"b"}]"#;
        let messages: Vec<_> = Incoming::read(batch).collect();
        assert!(matches!(
            messages[..],
            [Incoming::Response { .. }, Incoming::Notification { .. }, Incoming::Request { .. }]
        ));
        for text in ["", "5", "nonsense", "[1", "{\"id\":1,\"id\":2,\"result\":{}}", "[null,7,\"x\",[]]"] {
            assert!(Incoming::read(text).next().is_none(), "{text}");
        }
    }

    #[test]
    fn an_error_keeps_its_code_its_message_and_its_data() {
        let error = |text| {
            let error = error(text);
            (error.code().0, error.message().to_owned(), error.data().map(str::to_owned))
        };
        let text = r#"{"code":-99999999999,"message":"no","data":{"b":[1]}}"#;
        assert_eq!(error(text), (-99_999_999_999, "no".to_owned(), Some(r#"{"b":[1]}"#.to_owned())));
        let internal = ErrorCode::INTERNAL_ERROR.0;
        assert_eq!(error(r#"{"code":0,"message":"m"}"#), (internal, "m".to_owned(), None));
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
