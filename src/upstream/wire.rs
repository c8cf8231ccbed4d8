//! What goes over the wire to an upstream and comes from it, as text.
//!
//! `rmcp` reads results into types of its own, which know the members of the specification
//! alone. So that everything arrives as it was sent, a result goes through `rmcp` as one
//! JSON string that holds its text, and an error likewise.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, NumberOrString};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::router::{Event, Router, Slot};
use crate::rpc::{ErrorCode, RpcError, write};

/// The method under which a request of the upstream goes through `rmcp`.
pub(super) const ASK: &str = "mcp-stateless/ask";

/// What a request has that `rmcp` does not look at.
#[derive(Clone, Debug)]
pub(super) struct Outgoing(pub(super) Arc<OutgoingParts>);

#[derive(Debug, Default)]
pub(super) struct OutgoingParts {
    /// Parameters that go out as they are.
    pub(super) raw: Vec<(&'static str, Box<RawValue>)>,
    /// Members of `_meta`, which win over those of `rmcp`.
    pub(super) meta: Map<String, Value>,
    /// Whom progress, log messages and questions are for.
    pub(super) slot: Option<Arc<Slot>>,
    /// The caller's headers that are passed on.
    pub(super) headers: HeaderMap,
    /// The headers that repeat arguments.
    pub(super) mirrored: Vec<(HeaderName, HeaderValue)>,
}

/// Writes a message to the upstream, and prepares for what may come back.
pub(super) fn encode(message: &ClientJsonRpcMessage, router: &Router) -> Result<Vec<u8>, serde_json::Error> {
    match message {
        JsonRpcMessage::Request(request) => {
            // Our ids are numbers that `rmcp` counts up.
            let NumberOrString::Number(id) = request.id else { return serde_json::to_vec(message) };
            let ClientRequest::CustomRequest(custom) = &request.request else {
                router.leave(id);
                return serde_json::to_vec(message);
            };
            let Some(Outgoing(parts)) = custom.extensions.get::<Outgoing>() else {
                return serde_json::to_vec(message);
            };
            if let Some(slot) = &parts.slot {
                router.register(id, slot);
            }
            encode_request(id, &serde_json::to_value(&request.request)?, parts)
        }
        JsonRpcMessage::Response(response) => {
            router.answered(&number_or_string(&response.id));
            serde_json::to_vec(message)
        }
        JsonRpcMessage::Error(error) => {
            if let Some(id) = &error.id {
                router.answered(&number_or_string(id));
            }
            serde_json::to_vec(message)
        }
        JsonRpcMessage::Notification(_) => serde_json::to_vec(message),
    }
}

fn encode_request(id: i64, request: &Value, parts: &OutgoingParts) -> Result<Vec<u8>, serde_json::Error> {
    let method = request["method"].as_str().unwrap_or_default();
    let mut params = request["params"].as_object().cloned().unwrap_or_default();
    let mut meta = match params.remove("_meta") {
        Some(Value::Object(meta)) => meta,
        _ => Map::new(),
    };
    meta.remove("progressToken");
    meta.extend(parts.meta.clone());
    if parts.slot.is_some() {
        meta.insert("progressToken".to_owned(), id.into());
    }
    if !meta.is_empty() {
        params.insert("_meta".to_owned(), meta.into());
    }
    let mut buffer = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"#).into_bytes();
    write::string(&mut buffer, method);
    write::key(&mut buffer, "params");
    buffer.push(b'{');
    for (name, value) in &params {
        write::key(&mut buffer, name);
        write::json(&mut buffer, value)?;
    }
    for (name, value) in &parts.raw {
        write::key(&mut buffer, name);
        buffer.extend_from_slice(value.get().as_bytes());
    }
    buffer.extend_from_slice(b"}}");
    Ok(buffer)
}

fn number_or_string(id: &NumberOrString) -> String {
    match id {
        NumberOrString::Number(number) => number.to_string(),
        NumberOrString::String(text) => Value::from(&**text).to_string(),
    }
}

/// A message of the upstream.
#[derive(Debug)]
pub(super) enum Incoming<'a> {
    Response { id: i64, outcome: Outcome<'a> },
    Request { id: &'a RawValue, method: Cow<'a, str>, params: Option<&'a RawValue> },
    Notification { method: Cow<'a, str>, params: Option<&'a RawValue> },
}

/// What a request came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Incoming<'a> {
    /// `None` for what is no message, which is logged.
    pub(super) fn read(text: &'a str, origin: Option<i64>) -> Option<Self> {
        let envelope: Envelope<'_> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::debug!(%error, "an upstream sends something that is no message");
                return None;
            }
        };
        let Envelope { id, method, params, result, error } = envelope;
        match (id, method) {
            (Some(id), Some(method)) => Some(Self::Request { id, method, params }),
            (None, Some(method)) => Some(Self::Notification { method, params }),
            (id, None) => {
                let outcome = result.map(Outcome::Result).or(error.map(Outcome::Error))?;
                // Some answer numbers by strings, and errors of the transport by anything.
                let id = id.and_then(|id| id.get().trim_matches('"').parse().ok());
                let is_error = matches!(outcome, Outcome::Error(_));
                Some(Self::Response { id: id.or(origin.filter(|_| is_error))?, outcome })
            }
        }
    }
}

/// A response that `rmcp` reads itself.
pub(super) fn own_response(id: i64, outcome: Outcome<'_>) -> String {
    let (name, value) = match outcome {
        Outcome::Result(result) => ("result", result),
        Outcome::Error(error) => ("error", error),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"{name}":{}}}"#, value.get())
}

const RESULT: char = 'R';
const ERROR: char = 'E';

/// A response whose result, or error, is one string.
pub(super) fn wrapped_response(id: i64, outcome: Outcome<'_>) -> String {
    let (kind, value) = match outcome {
        Outcome::Result(result) => (RESULT, result),
        Outcome::Error(error) => (ERROR, error),
    };
    let mut buffer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#).into_bytes();
    write::string(&mut buffer, &format!("{kind}{}", value.get()));
    buffer.push(b'}');
    // Made of texts alone.
    String::from_utf8(buffer).unwrap_or_default()
}

/// What a wrapped response holds: the text of the result.
pub(super) fn unwrap_response(result: &Value) -> Result<&str, RpcError> {
    let text = result.as_str().unwrap_or_default();
    if let Some(result) = text.strip_prefix(RESULT) {
        return Ok(result);
    }
    Err(text.strip_prefix(ERROR).map_or_else(RpcError::internal, error))
}

/// An error as it is passed on.
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
    // No code of JSON-RPC, but what some servers say for any failure.
    let code = if code == 0 { ErrorCode::INTERNAL_ERROR } else { ErrorCode(code) };
    let error = RpcError::new(code, message);
    match data {
        Some(data) => error.with_data(data),
        None => error,
    }
}

/// A request of the upstream, with the call on whose stream it came.
pub(super) fn wrapped_request(
    id: &RawValue,
    method: &str,
    params: Option<&RawValue>,
    origin: Option<i64>,
) -> String {
    if method == "ping" {
        return format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    }
    let asked = json!({"method": method, "params": params, "origin": origin});
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{ASK}","params":{asked}}}"#)
}

/// A request of the upstream, as it comes out of `rmcp` again.
#[derive(Deserialize)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) params: Option<Map<String, Value>>,
    pub(super) origin: Option<i64>,
}

/// An id as one text, so that `1` and `"1"` stay different.
pub(super) fn id_key(id: &RawValue) -> String {
    serde_json::from_str::<Value>(id.get()).unwrap_or_default().to_string()
}

pub(super) fn cancelled(params: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
    }
    serde_json::from_str::<Cancelled<'_>>(params.get()).ok().map(|it| id_key(it.request_id))
}

pub(super) fn text_member(object: &RawValue, name: &str) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_str(object.get()).ok()?;
    object.get(name)?.as_str().map(str::to_owned)
}

/// The call that a progress is of, by its token, which is its id.
pub(super) fn progress(params: &RawValue) -> Option<(i64, Event)> {
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
    Some((token, Event::Progress { progress, total, message: message.unwrap_or_default() }))
}

pub(super) fn log(params: &RawValue) -> Option<Event> {
    #[derive(Deserialize)]
    struct Log {
        level: crate::protocol::LogLevel,
        logger: Option<String>,
        data: Box<RawValue>,
    }
    let Log { level, logger, data } = serde_json::from_str(params.get()).ok()?;
    Some(Event::Log { level, logger: logger.unwrap_or_default(), data })
}

#[cfg(test)]
mod tests {
    use rmcp::model::{JsonRpcMessage, ServerJsonRpcMessage, ServerRequest, ServerResult};
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::{Incoming, Outcome, OutgoingParts, encode_request, error, unwrap_response, wrapped_response};
    use crate::rpc::ErrorCode;

    fn through_rmcp(text: &str) -> ServerJsonRpcMessage {
        serde_json::from_str(text).expect("a message")
    }

    #[test]
    fn a_result_comes_out_of_rmcp_letter_by_letter() {
        let text = r#"{"content":[{"type":"text","text":"a\"\u00e9","odd":1.0}], "zzz":{"b":1,"a":12345678901234567890123}}"#;
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        let message = through_rmcp(&wrapped_response(7, Outcome::Result(raw)));
        let JsonRpcMessage::Response(response) = message else { panic!("no response") };
        let ServerResult::CustomResult(result) = response.result else { panic!("it was read: {response:?}") };
        assert_eq!(unwrap_response(&result.0).expect("a result"), text);
    }

    #[test]
    fn an_error_keeps_its_code_its_message_and_its_data() {
        let text = r#"{"code":-99999999999,"message":"no","data":{"b":[1]}}"#;
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        let message = through_rmcp(&wrapped_response(7, Outcome::Error(raw)));
        let JsonRpcMessage::Response(response) = message else { panic!("no response") };
        let ServerResult::CustomResult(result) = response.result else { panic!("it was read") };
        let error = unwrap_response(&result.0).expect_err("an error");
        assert_eq!(
            (error.code().0, error.message(), error.data()),
            (-99_999_999_999, "no", Some(r#"{"b":[1]}"#))
        );
    }

    #[test]
    fn an_error_of_code_zero_is_internal_but_keeps_its_message() {
        let error = error(r#"{"code":0,"message":"Missing required arguments"}"#);
        assert_eq!(
            (error.code(), error.message()),
            (ErrorCode::INTERNAL_ERROR, "Missing required arguments")
        );
    }

    #[test]
    fn a_question_goes_through_rmcp_unread() {
        let text =
            r#"{"jsonrpc":"2.0","id":"1","method":"elicitation/create","params":{"message":"m","odd":1}}"#;
        let Some(Incoming::Request { id, method, params }) = Incoming::read(text, None) else {
            panic!("no request")
        };
        let message = through_rmcp(&super::wrapped_request(id, &method, params, Some(3)));
        let JsonRpcMessage::Request(request) = message else { panic!("no request") };
        let ServerRequest::CustomRequest(custom) = request.request else { panic!("it was read") };
        let asked: super::Asked = custom.params_as().expect("readable").expect("params");
        assert_eq!((&*asked.method, asked.origin), ("elicitation/create", Some(3)));
        assert_eq!(Value::from(asked.params.expect("params")), json!({"message": "m", "odd": 1}));
    }

    #[test]
    fn errors_of_the_transport_belong_to_the_request_on_whose_stream_they_come() {
        for id in [r#""server-error""#, "null"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32600,"message":"m"}}}}"#);
            assert!(matches!(Incoming::read(&text, Some(4)), Some(Incoming::Response { id: 4, .. })), "{id}");
            assert!(Incoming::read(&text, None).is_none());
        }
        let text = r#"{"jsonrpc":"2.0","id":"7","result":{}}"#;
        assert!(matches!(Incoming::read(text, None), Some(Incoming::Response { id: 7, .. })));
    }

    #[test]
    fn arguments_go_out_as_they_came_and_with_no_progress_token_unless_there_is_a_listener() {
        let arguments = r#"{"b": 1.0, "a": 12345678901234567890123}"#;
        let raw = RawValue::from_string(arguments.to_owned()).expect("JSON");
        let parts = OutgoingParts { raw: vec![("arguments", raw)], ..Default::default() };
        let request = json!({"method": "tools/call", "params": {"name": "t", "_meta": {"progressToken": 3}}});
        let text = String::from_utf8(encode_request(9, &request, &parts).expect("JSON")).expect("UTF-8");
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
        );
        assert_eq!(text, expected);
    }
}
