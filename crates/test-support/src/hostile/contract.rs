//! The contract of every answer, whatever the request.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::Response;

/// The error of an answer; `None` for results, and if no answer is due.
pub type Code = Option<i64>;

#[derive(Deserialize)]
struct Message<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
}

/// Checks an answer to a request whose `id` is `id`, as written in its body.
///
/// # Errors
/// Returns an error if the answer breaks a rule. The error names it.
pub fn judge(response: &Response, id: Option<&str>) -> Result<Code, String> {
    judge_kind(response, id).map_err(|fault| {
        let mut text = response.text();
        if let Some((end, _)) = text.char_indices().nth(400) {
            text.truncate(end);
        }
        format!("{fault}: {} {:?} {text:?}", response.status, response.header("content-type"))
    })
}

fn judge_kind(response: &Response, id: Option<&str>) -> Result<Code, String> {
    if response.header("mcp-session-id").is_some() {
        return Err("an answer carries a session".to_owned());
    }
    if response.status == 202 {
        return if response.body.is_empty() { Ok(None) } else { Err("202 has a body".to_owned()) };
    }
    if response.status == 405 && response.header("allow").as_deref() != Some("POST") {
        return Err("405 does not say what is allowed".to_owned());
    }
    if response.is_stream() {
        return judge_stream(response, id);
    }
    if response.header("content-type").as_deref() != Some("application/json") {
        return Err("an answer is neither JSON nor a stream".to_owned());
    }
    let text = std::str::from_utf8(&response.body).map_err(|_| "an answer is not UTF-8".to_owned())?;
    if text.starts_with('[') {
        let messages: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| format!("no batch: {error}"))?;
        for message in messages {
            judge_reply(message.get(), None, 200)?;
        }
        return Ok(None);
    }
    judge_reply(text, id, response.status)
}

fn judge_stream(response: &Response, id: Option<&str>) -> Result<Code, String> {
    if response.status != 200 {
        return Err("a stream has a status other than 200".to_owned());
    }
    if response.header("cache-control").as_deref() != Some("no-store") {
        return Err("a stream may be cached".to_owned());
    }
    let text = std::str::from_utf8(&response.body).map_err(|_| "a stream is not UTF-8".to_owned())?;
    let is_known = |line: &str| line.is_empty() || line.starts_with("data: ") || line.starts_with(':');
    if let Some(line) = text.lines().find(|line| !is_known(line)) {
        return Err(format!("a stream has the line {line:?}"));
    }
    let mut code = None;
    for message in response.messages() {
        let parsed: Message<'_> =
            serde_json::from_str(&message).map_err(|error| format!("no event: {error}"))?;
        // A notification, or a question.
        if parsed.method.is_none() {
            code = judge_reply(&message, id, 200)?;
        }
    }
    Ok(code)
}

fn judge_reply(text: &str, id: Option<&str>, status: u16) -> Result<Code, String> {
    let message: Message<'_> = serde_json::from_str(text).map_err(|error| format!("no JSON-RPC: {error}"))?;
    if message.jsonrpc != "2.0" {
        return Err("`jsonrpc` is wrong".to_owned());
    }
    let replied = message.id.map(RawValue::get);
    if id.is_some() && replied.is_some() && replied != id {
        return Err(format!("the answer is for {replied:?}, not {id:?}"));
    }
    match (message.result, message.error) {
        (Some(_), None) if status != 200 => Err("a result has a status other than 200".to_owned()),
        (Some(_), None) if replied.is_none() => Err("a result has no id".to_owned()),
        (Some(_), None) => Ok(None),
        (None, Some(error)) => judge_error(&error, status),
        _ => Err("neither a result nor an error, or both".to_owned()),
    }
}

fn judge_error(error: &ErrorObject, status: u16) -> Result<Code, String> {
    let ErrorObject { code, message } = error;
    let codes: &[i64] = match status {
        200 => &[-32600, -32601, -32602, -32603, -32002],
        400 => &[-32700, -32600, -32602, -32020, -32021, -32022],
        401 | 403 | 405 | 406 | 408 | 413 | 415 | 429 => &[-32600],
        // A method and a path that do not exist.
        404 => &[-32601, -32600],
        503 => &[-32603],
        _ => return Err("a status that the contract does not know".to_owned()),
    };
    if !codes.contains(code) {
        return Err(format!("{code} does not go with {status}"));
    }
    if *code == -32603 && status != 503 {
        return Err(format!("a peer made the server fail: {message}"));
    }
    if message.is_empty() || message.contains("panicked") || message.contains(".rs:") {
        return Err("the message is empty, or tells of the inside".to_owned());
    }
    Ok(Some(*code))
}

/// Whether a response is a refusal of the HTTP server itself: without a body, and without any claim
/// to have one.
pub fn is_bare_refusal(response: &Response) -> bool {
    (400..500).contains(&response.status) && response.body.is_empty()
}
