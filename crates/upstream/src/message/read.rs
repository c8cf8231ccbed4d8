//! Reading messages from an upstream.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use mcp_stateless::protocol::{ErrorCode, LogLevel, RpcError};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The maximum number of messages in one batch.
const MOST_IN_BATCH: usize = 1024;

/// A message from the upstream.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    Response { id: Option<i64>, outcome: Outcome<'a> },
    Request { id: &'a RawValue, method: Cow<'a, str>, params: Option<&'a RawValue> },
    Notification { method: Cow<'a, str>, params: Option<&'a RawValue> },
}

/// The content of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
    /// Neither a result nor an error.
    Nothing,
    /// Something that is not valid JSON, such as `NaN`.
    Invalid,
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
    pub(crate) fn read(text: &'a str) -> impl Iterator<Item = Self> {
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
            let id = Some(answered(text)?);
            return Some(Self::Response { id, outcome: Outcome::Invalid });
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
                Self::Response { id: id.and_then(own_id), outcome }
            }
        })
    }
}

/// Returns the id of a request of this client. Some servers turn it into a string.
fn own_id(id: &RawValue) -> Option<i64> {
    id.get().trim_matches('"').parse().ok()
}

/// Returns the id of the request that a text answers, if the text is a response up to where it stops
/// being JSON. Without it the request would wait for its time limit.
fn answered(text: &str) -> Option<i64> {
    let (mut id, mut ids, mut is_response) = (None, 0, true);
    // Fails, after the members before the fault.
    let _ = each_member(text, |name, value| match name {
        "id" => (id, ids) = (own_id(value), ids + 1),
        "method" => is_response = false,
        _ => {}
    });
    id.filter(|_| is_response && ids == 1)
}

/// A string in which lone surrogates become `U+FFFD`. Programs that cut UTF-16 texts send them, and
/// other clients accept them.
#[derive(Default)]
struct LossyText(String);

impl<'de> Deserialize<'de> for LossyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = LossyText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<LossyText, E> {
                Ok(LossyText(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        // `serde_json` checks surrogates only in strings.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Reads an error that is passed on to the client.
pub(crate) fn error(text: &str) -> RpcError {
    #[derive(Deserialize)]
    struct Error<'a> {
        code: i64,
        message: Option<LossyText>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let Ok(Error { code, message, data }) = serde_json::from_str(text) else { return RpcError::internal() };
    let LossyText(message) = message.unwrap_or_default();
    // Some servers send 0, which is not a JSON-RPC code, for any failure.
    let code = if code == 0 { ErrorCode::INTERNAL_ERROR } else { ErrorCode(code) };
    let error = RpcError::new(code, message);
    match data {
        Some(data) => error.with_data(data),
        None => error,
    }
}

/// Returns an id as a key that tells `1` and `"1"` apart.
pub(crate) fn id_key(id: &RawValue) -> String {
    serde_json::from_str::<Value>(id.get()).unwrap_or_default().to_string()
}

/// Returns the key of the request that a `notifications/cancelled` withdraws.
pub(crate) fn cancelled(params: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
    }
    serde_json::from_str::<Cancelled<'_>>(params.get()).ok().map(|it| id_key(it.request_id))
}

/// Splits an object into its members. Returns `None` if the text is not an object.
pub(crate) fn members(object: &str) -> Option<HashMap<Cow<'_, str>, &RawValue>> {
    #[derive(Deserialize)]
    struct Members<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);
    serde_json::from_str(object).ok().map(|Members(members)| members)
}

/// Calls `take` for each member of an object, in order. Returns `None` if the text is not an object.
pub(crate) fn each_member(object: &str, take: impl FnMut(&str, &RawValue)) -> Option<()> {
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
pub(crate) fn text_member(object: &RawValue, name: &str) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_str(object.get()).ok()?;
    object.get(name)?.as_str().map(str::to_owned)
}

/// The progress of a request.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) value: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: String,
}

/// A log message.
#[derive(Clone, Debug)]
pub(crate) struct LogMessage {
    pub(crate) level: LogLevel,
    pub(crate) logger: Arc<str>,
    pub(crate) data: Arc<RawValue>,
}

/// Reads a progress notification: the token, which is the id of the request, and the progress.
pub(crate) fn progress(params: &RawValue) -> Option<(i64, Progress)> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "progressToken")]
        token: &'a RawValue,
        progress: f64,
        total: Option<f64>,
        message: Option<LossyText>,
    }
    let Params { token, progress, total, message } = serde_json::from_str(params.get()).ok()?;
    let LossyText(message) = message.unwrap_or_default();
    Some((own_id(token)?, Progress { value: progress, total, message }))
}

pub(crate) fn log(params: &RawValue) -> Option<LogMessage> {
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
    use mcp_stateless::protocol::ErrorCode;

    use super::{Incoming, Outcome, error};

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
    fn a_response_that_is_not_json_is_matched_to_its_request_if_its_id_comes_first() {
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"a":NaN}}"#;
        let messages: Vec<_> = Incoming::read(text).collect();
        assert!(matches!(messages[..], [Incoming::Response { id: Some(7), outcome: Outcome::Invalid }]));
        for text in [r#"{"result":{"a":NaN},"id":7}"#, r#"{"id":7,"method":"x","params":{"a":NaN}}"#] {
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
        assert_eq!(
            error(r#"{"code":-1,"message":"cut \ud83d"}"#),
            (-1, "cut \u{fffd}\u{fffd}\u{fffd}".to_owned(), None)
        );
        let internal = ErrorCode::INTERNAL_ERROR.0;
        assert_eq!(error(r#"{"code":0,"message":"m"}"#), (internal, "m".to_owned(), None));
    }
}
