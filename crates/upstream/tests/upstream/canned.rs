//! Canned upstreams, for behaviour that no real one shows.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use mcp_stateless_upstream::{Upstream, UpstreamBuilder};
use serde_json::{Value, json};

use super::cast::eventually;
use super::gateway::{Era, Gateway, Params, error};

const ABOUT: &str = r#"{"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "canned", "version": "1"}}"#;
const TOOL: &str = r#"{"name": "odd", "inputSchema": {"type": "object"}, "vendor": {"b": 1.0, "a": [null]}, "execution": {"x": 1}}"#;
const RESULT: &str = r#"{"content": [{"type": "hologram", "z": 1.0, "a": 12345678901234567890123}], "vendor/b": {"b": 1, "a": 2}, "_meta": {"vendor/c": 1.50}, "resultType": "complete"}"#;

/// A server with canned responses that records its requests.
#[derive(Clone, Default)]
struct Canned {
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// The status of all responses within the session.
    status: Option<StatusCode>,
}

impl Canned {
    async fn start(self) -> UpstreamBuilder {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().route("/mcp", post(answer)).with_state(self);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Upstream::http(format!("http://{address}/mcp")).name("canned")
    }

    fn asked(&self, method: &str) -> Vec<(HeaderMap, Value)> {
        let asked = self.asked.lock().expect("not poisoned");
        asked.iter().filter(|(_, message)| message["method"] == method).cloned().collect()
    }
}

async fn answer(State(canned): State<Canned>, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    canned.asked.lock().expect("not poisoned").push((headers, message.clone()));
    let head = [("mcp-session-id", "s"), ("content-type", "application/json")];
    let reply = |result: &str| {
        let id = &message["id"];
        (head, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)).into_response()
    };
    match (message["method"].as_str().unwrap_or_default(), canned.status) {
        ("initialize", _) => reply(ABOUT),
        ("server/discover", _) => StatusCode::BAD_REQUEST.into_response(),
        ("notifications/initialized", _) => StatusCode::ACCEPTED.into_response(),
        (_, Some(status)) => status.into_response(),
        ("notifications/cancelled", _) => StatusCode::ACCEPTED.into_response(),
        ("tools/list", _) => reply(&format!(r#"{{"tools": [{TOOL}]}}"#)),
        _ if message["params"]["name"] == "hang" => std::future::pending().await,
        _ => reply(RESULT),
    }
}

/// Returns the same server over stdio.
fn canned_child() -> UpstreamBuilder {
    let script = "
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    result = os.environ.get(request['method'].replace('/', '_'))
    said = '\"result\": ' + result if result else '\"error\": {\"code\": -32601, \"message\": \"no\"}'
    if 'id' in request:
        print('{\"jsonrpc\": \"2.0\", \"id\": ' + json.dumps(request['id']) + ', ' + said + '}', flush=True)
";
    let upstream = Upstream::stdio("python3").args(["-c", script]).name("canned").env("initialize", ABOUT);
    upstream.env("tools_list", format!(r#"{{"tools": [{TOOL}]}}"#)).env("tools_call", RESULT)
}

#[tokio::test]
async fn definitions_and_results_arrive_as_they_were_sent() {
    for upstream in [Canned::default().start().await, canned_child()] {
        let gateway = Gateway::new(upstream);
        for era in Era::BOTH {
            let client = gateway.client(era, "ada");
            let tools = client.open("tools/list", Params(json!({}))).await.raw().await;
            assert!(tools.contains(TOOL), "{era:?}: {tools}");
            let result = client.open("tools/call", Params::call("odd", json!({}))).await.raw().await;
            for part in [
                r#"[{"type": "hologram", "z": 1.0, "a": 12345678901234567890123}]"#,
                r#""vendor/b":{"b": 1, "a": 2}"#,
                r#""vendor/c":1.50"#,
            ] {
                assert!(result.contains(part), "{era:?}: {result}");
            }
            let modern = usize::from(era == Era::Modern);
            assert_eq!(result.matches("resultType").count(), modern, "{result}");
            assert_eq!(result.matches(r#""name":"gateway""#).count(), modern, "{result}");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call_upstream() {
    let canned = Canned::default();
    let gateway = Gateway::new(canned.clone().start().await);
    for era in Era::BOTH {
        let before = canned.asked("tools/call").len();
        let client = gateway.client(era, "ada");
        let arrived = eventually("the call arrives", async || canned.asked("tools/call").len() > before);
        tokio::select! {
            answer = client.call("hang", json!({})) => panic!("it answered: {answer}"),
            () = arrived => {}
        }
        let id = canned.asked("tools/call")[before].1["id"].clone();
        eventually("the cancellation arrives", async || {
            let cancelled = canned.asked("notifications/cancelled");
            cancelled.iter().any(|(_, message)| message["params"]["requestId"] == id)
        })
        .await;
    }
    assert_eq!(gateway.upstream.stats().in_flight, 0);
}

#[tokio::test]
async fn an_upstream_that_forgets_every_session_at_once_is_given_up() {
    let canned = Canned { status: Some(StatusCode::NOT_FOUND), ..Canned::default() };
    let gateway = Gateway::new(canned.clone().start().await);
    let answer = gateway.client(Era::Legacy, "ada").call("odd", json!({})).await;
    assert_eq!(error(&answer), (-32_603, "The upstream \"canned\" forgets its sessions".to_owned()));
    assert_eq!(canned.asked("tools/call").len(), 2);
    assert_eq!(canned.asked("initialize").len(), 2);
}

#[tokio::test]
async fn only_the_headers_that_were_named_are_passed_on() {
    let canned = Canned::default();
    let upstream = canned.clone().start().await.header("x-fixed", "1");
    let gateway = Gateway::new(upstream.forward_header("x-caller".parse().expect("a name")));
    gateway.client(Era::Legacy, "ada").call("odd", json!({})).await;
    for method in ["initialize", "tools/call"] {
        let (headers, _) = canned.asked(method).pop().expect("it was asked");
        assert_eq!(
            (&headers["x-caller"], &headers["x-fixed"]),
            (&"ada".parse().unwrap(), &"1".parse().unwrap())
        );
        assert!(!headers.contains_key("authorization"));
    }
    let reserved = Upstream::http("http://localhost/mcp").forward_header("mcp-session-id".parse().unwrap());
    assert!(reserved.build().is_err());
}

#[tokio::test]
async fn the_clients_meta_goes_through_but_for_what_is_between_it_and_us() {
    let canned = Canned::default();
    let gateway = Gateway::new(canned.clone().start().await);
    let own = json!({"traceparent": "00-1", "com.example/x": {"b": 1}});
    let params = Params::call("odd", json!({"b": 1.0})).with("_meta", own.clone());
    gateway.client(Era::Modern, "ada").ask("tools/call", params).await;
    let (_, message) = canned.asked("tools/call").pop().expect("it was asked");
    let mut meta = message["params"]["_meta"].clone();
    meta.as_object_mut().expect("an object").remove("progressToken").expect("the gateway's token");
    assert_eq!(meta, own);
}
