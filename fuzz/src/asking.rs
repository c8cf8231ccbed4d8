//! Invariants for forged states and answers.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use mcp_stateless::ask::{AskError, StateKeys};
use mcp_stateless::call::NoArguments;
use mcp_stateless::manager::Body;
use mcp_stateless::{CallContext, StatelessSessionManager, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{ready, send};

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

struct Asker {
    manager: StatelessSessionManager,
    tools: ToolRegistry,
}

static ASKER: LazyLock<Asker> = LazyLock::new(|| {
    let greet = async |_: NoArguments, cx: CallContext| -> Result<String, AskError> {
        let Name { name } = cx.elicit("name", "What is your name?").await?;
        Ok(format!("Hello, {name}"))
    };
    let manager = StatelessSessionManager::builder("fuzz", "1.0.0").state_keys(StateKeys::new([7; 32]));
    Asker {
        manager: manager.build().expect("valid settings"),
        tools: ToolRegistry::builder().tool("greet", "Greet", greet).build().expect("a valid tool"),
    }
});

/// The sealed state of a call that asks.
static STATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let reply = modern(&json!({}));
    let state = reply["result"]["requestState"].as_str().expect("a state");
    URL_SAFE_NO_PAD.decode(state).expect("base64")
});

/// Uses the data as a state that was altered. Only the genuine state may open.
///
/// The first byte selects the meaning of the others: a state, changes to the genuine state, or the
/// answers that are sent with the genuine state.
pub fn state(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            let Ok(state) = std::str::from_utf8(data) else { return };
            refused(&modern(&json!({ "requestState": state, "inputResponses": ada() })), state);
        }
        1 => {
            let mut state = STATE.clone();
            for change in data.chunks_exact(2) {
                let at = usize::from(change[0]) % state.len();
                state[at] ^= change[1];
            }
            let text = URL_SAFE_NO_PAD.encode(&state);
            let reply = modern(&json!({ "requestState": text, "inputResponses": ada() }));
            if state == *STATE {
                assert_eq!(reply["result"]["content"][0]["text"], "Hello, Ada");
            } else {
                refused(&reply, &text);
            }
        }
        _ => {
            let Ok(answers) = serde_json::from_slice::<Value>(data) else { return };
            let state = URL_SAFE_NO_PAD.encode(&*STATE);
            let reply = modern(&json!({ "requestState": state, "inputResponses": answers }));
            let is_known = reply["error"]["code"] == -32602
                || ["complete", "input_required"].iter().any(|kind| reply["result"]["resultType"] == *kind);
            assert!(is_known, "{reply}");
        }
    }
}

fn refused(reply: &Value, state: &str) {
    assert_eq!(reply["error"]["code"], -32602, "{state}: {reply}");
}

fn ada() -> Value {
    json!({"name": {"action": "accept", "content": {"name": "Ada"}}})
}

/// Returns the answer to a call with additional parameters.
fn modern(more: &Value) -> Value {
    let mut params = json!({
        "name": "greet",
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        },
    });
    for (name, value) in more.as_object().expect("an object") {
        params[name] = value.clone();
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "greet")];
    let reply = send(&ASKER.manager, &ASKER.tools, post(&headers, body.to_string()));
    serde_json::from_slice(reply.body()).expect("JSON")
}

fn post(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Request<Full<bytes::Bytes>> {
    let mut request =
        Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body.into())).expect("a request")
}

/// Uses the data as the body that a legacy client posts while its call waits for an answer. `ASKED`
/// in it is replaced with the question's id. The call must end, or keep waiting: then the correct
/// answer must end it.
pub fn answers(data: &[u8]) {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "greet"}});
    let accept = [("accept", "application/json, text/event-stream")];
    let response = ready(ASKER.manager.handle(post(&accept, call.to_string()), &ASKER.tools));
    let mut wire = Box::pin(response.into_body());
    let question = next(&mut wire).expect("a question");
    let id = question["id"].as_str().expect("an id").to_owned();

    let made_up = String::from_utf8_lossy(data).replace("ASKED", &id);
    let reply = send(&ASKER.manager, &ASKER.tools, post(&accept, made_up));
    known(&reply);
    let result = next(&mut wire).unwrap_or_else(|| {
        let right = json!({"jsonrpc": "2.0", "id": id, "result": ada()["name"]});
        let reply = send(&ASKER.manager, &ASKER.tools, post(&accept, right.to_string()));
        assert_eq!(reply.status(), StatusCode::ACCEPTED);
        let result = next(&mut wire).expect("the result");
        assert_eq!(result["result"]["content"][0]["text"], "Hello, Ada");
        result
    });
    assert_eq!(result["id"], 1);
}

fn known(reply: &Response<Vec<u8>>) {
    let status = reply.status().as_u16();
    assert!([200, 202, 400].contains(&status), "{status}");
}

/// How often a stream is polled before it is considered pending. It may wake itself several times.
const LOOKS: usize = 4;

/// Returns the next message of a stream, if it is ready.
fn next(wire: &mut Pin<Box<Body>>) -> Option<Value> {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..LOOKS {
        let Poll::Ready(frame) = wire.as_mut().poll_frame(&mut cx) else { continue };
        let frame = frame?.expect("a frame").into_data().ok()?;
        let text = std::str::from_utf8(&frame).expect("UTF-8");
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
            return Some(serde_json::from_str(data).expect("a message"));
        }
    }
    None
}
