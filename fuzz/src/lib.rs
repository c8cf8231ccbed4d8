//! Invariants that must hold for everything that a peer can send.
//!
//! The requests are answered in memory, by a future that never has to wait, or on a simulated clock.

mod asking;
mod authorization;
mod everything;
mod gateway;
mod server;
mod upstream;
mod uris;

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_stateless::manager::Body;
use mcp_stateless::{Registry, StatelessSessionManager};
use serde_json::Value;
use serde_json::value::RawValue;

pub use crate::asking::{answers, state};
pub use crate::authorization::authorization;
use crate::everything::Everything;
pub use crate::gateway::mcp_servers;
use crate::server::Server;
pub use crate::upstream::upstream;
pub use crate::uris::uris;

/// Uses the lines before an empty one as headers, and the rest as the body.
///
/// The reply must be valid in the protocol, and the same if the request is repeated, except for what is
/// random. A body that is not valid JSON must be rejected. `TASKED` is replaced with the id of a task that
/// waits for an answer; afterwards the task must be one still, and end when it is cancelled.
pub fn request(data: &[u8]) {
    let task = find(data, TASKED).map(|_| Server::shared().begin_task());
    let data = about(data, task.as_deref().unwrap_or_default());
    request_with(&data);
    let Some(task) = &task else { return };
    let status = Server::shared().get_task(task)["result"]["status"].take();
    assert!(
        ["input_required", "completed", "failed", "cancelled"].iter().any(|it| status == *it),
        "{status}"
    );
    Server::shared().end_task(task);
}

/// Stands for the id of a task.
const TASKED: &[u8] = b"TASKED";

/// Returns the data with the id of a task.
fn about(data: &[u8], task: &str) -> Vec<u8> {
    let mut data = data.to_vec();
    while let Some(at) = find(&data, TASKED) {
        data.splice(at..at + TASKED.len(), task.bytes());
    }
    data
}

fn request_with(data: &[u8]) {
    let Some((reply, body)) = reply_to(data) else { return };
    let is_random = settle(check(&reply, body));
    let (again, _) = reply_to(data).expect("a request, as before");
    assert_eq!(reply.status(), again.status());
    if is_random {
        settle(check(&again, body));
    } else {
        assert_eq!(reply.headers(), again.headers());
        assert_eq!(reply.body(), again.body());
    }
}

/// Sends a request, and returns the reply and the body of the request; `None` if it is not one.
fn reply_to(data: &[u8]) -> Option<(Response<Vec<u8>>, &[u8])> {
    let (head, body) = split(data, b"\n\n").unwrap_or((b"", data));
    let mut request = Request::post("/mcp").header("host", "localhost");
    for line in head.split(|&byte| byte == b'\n') {
        let Some((name, value)) = split(line, b":") else { continue };
        request = request.header(name, value);
    }
    // An HTTP server does not pass on invalid headers.
    let request = request.body(Full::from(body.to_vec())).ok()?;
    Some((Server::shared().send(request), body))
}

/// Ends the tasks that these messages tell of. Returns whether there is anything random in them.
fn settle(messages: Vec<Message>) -> bool {
    let mut is_random = false;
    for message in messages {
        // A question to a legacy client, whose id nobody can guess.
        is_random |= message.contains_key("id") && message.contains_key("method");
        let Some(Ok(result)) =
            message.get("result").map(|result| serde_json::from_str::<Value>(result.get()))
        else {
            continue;
        };
        is_random |= result.get("requestState").is_some();
        if result["resultType"] == "task" {
            is_random = true;
            Server::shared().end_task(result["taskId"].as_str().expect("an id"));
        }
    }
    is_random
}

/// Uses the data as the arguments of a tool with one parameter of each kind of type. They must be
/// deserialised like `serde_json` does.
pub fn arguments(data: &[u8]) {
    let Ok(arguments) = std::str::from_utf8(data) else { return };
    let Ok(object) = serde_json::from_str::<&RawValue>(arguments) else { return };
    if !object.get().starts_with('{') {
        return;
    }
    let params = format!(r#"{{"name":"everything","arguments":{arguments}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let request = Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::from(body))
        .expect("a request");
    let reply = Server::shared().send(request);
    let reply: Value = serde_json::from_slice(reply.body()).expect("JSON");
    // Nested too deeply for either parser. Their limits differ, because the arguments are nested
    // inside a request.
    if reply["error"]["code"] == -32700 {
        return;
    }
    let result = &reply["result"];
    let text = result["content"][0]["text"].as_str().expect("a text");
    match serde_json::from_str::<Everything>(arguments) {
        Ok(everything) => assert_eq!(text, format!("{everything:?}")),
        // Numbers such as `1.0` are accepted as integers, which `serde_json` does not do.
        Err(error) if error.to_string().starts_with("invalid type: floating point") => {}
        Err(error) => assert_eq!(result["isError"], true, "{error}: {text}"),
    }
}

/// Returns the output of a future that never has to wait for another thread.
fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Sends a request and reads the whole reply.
fn send<R: Registry + ?Sized>(
    manager: &StatelessSessionManager,
    registry: &R,
    request: Request<Full<Bytes>>,
) -> Response<Vec<u8>> {
    let response = ready(manager.handle(request, registry));
    let (head, body) = response.into_parts();
    let body = match ready(Body::collect(body)) {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => match error {},
    };
    Response::from_parts(head, body)
}

/// The members stay raw: an id is repeated byte for byte, and may not be a valid string.
type Message = BTreeMap<String, Box<RawValue>>;

/// Reads a message, or those of a batch.
fn messages(json: &[u8]) -> Vec<Message> {
    if json.starts_with(b"[") {
        serde_json::from_slice(json).expect("messages")
    } else {
        vec![serde_json::from_slice(json).expect("a message")]
    }
}

/// Checks a reply, and returns its messages.
fn check(reply: &Response<Vec<u8>>, body: &[u8]) -> Vec<Message> {
    let status = reply.status();
    assert!(!reply.headers().contains_key("mcp-session-id"));
    if status == StatusCode::ACCEPTED {
        assert_eq!(reply.body(), b"");
        return Vec::new();
    }
    assert!([200, 400, 403, 404, 405, 406, 413, 415].contains(&status.as_u16()), "{status}");
    let messages: Vec<Message> = match reply.headers()["content-type"].as_bytes() {
        b"application/json" => messages(reply.body()),
        b"text/event-stream" => {
            let text = std::str::from_utf8(reply.body()).expect("UTF-8");
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            data.flat_map(|data| messages(data.as_bytes())).collect()
        }
        other => panic!("{other:?}"),
    };
    for message in &messages {
        assert_eq!(message["jsonrpc"].get(), r#""2.0""#);
        let kinds = ["result", "error", "method"].into_iter().filter(|&kind| message.contains_key(kind));
        assert_eq!(kinds.count(), 1, "{message:?}");
    }
    if status == StatusCode::OK {
        assert!(serde_json::from_slice::<&RawValue>(body).is_ok(), "served, but no JSON");
    }
    messages
}

/// Splits at the first `separator`.
fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(bytes, separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::server::Server;
    use crate::{about, reply_to};

    #[test]
    fn seeds_about_tasks_are_served() {
        for (seed, end) in [
            ("task_get", r#""status":"input_required""#),
            ("task_listen", r#""status":"input_required""#),
            ("task_update", r#""resultType":"complete""#),
            ("task_cancel", r#""resultType":"complete""#),
            ("task", r#""resultType":"task""#),
        ] {
            let file = format!("{}/seeds/request/{seed}", env!("CARGO_MANIFEST_DIR"));
            let task = Server::shared().begin_task();
            let data = about(&fs::read(file).expect("a seed"), &task);
            let (reply, _) = reply_to(&data).expect("a request");
            let text = String::from_utf8_lossy(reply.body());
            assert!(reply.status() == 200 && text.contains(end) && !text.contains("error"), "{seed}: {text}");
            if seed == "task_update" {
                assert_eq!(Server::shared().get_task(&task)["result"]["status"], "completed");
            }
        }
    }
}
