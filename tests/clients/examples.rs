//! Tests of the examples that show a particular feature.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use test_support::server::{ExampleServer, example, run_example};
use tokio::process::Command;

/// The examples that serve.
const SERVERS: [&str; 9] = [
    "ask_the_user",
    "axum_app",
    "everything",
    "hyper_server",
    "live_resources",
    "observed",
    "per_tenant",
    "quickstart",
    "tasks",
];

/// Sends one request over a new connection.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> (StatusCode, HeaderMap, String) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = http::Request::builder().method(method).uri(url.parse::<Uri>().expect("a URL"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let (head, body) = client.request(request).await.expect("a response").into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

async fn call(url: &str, tool: &str, extra: (&str, &str)) -> (StatusCode, Value) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}});
    let headers = [(header::CONTENT_TYPE.as_str(), "application/json"), extra];
    let (status, _, body) = send(Method::POST, url, &headers, body.to_string()).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}

#[tokio::test]
async fn the_user_that_axum_app_authenticates_reaches_the_tool() {
    let server = ExampleServer::start("axum_app").await;
    for (token, name) in [("Bearer ada-secret", "Ada"), ("Bearer bob-secret", "Bob")] {
        let (status, answer) = call(server.url(), "whoami", ("authorization", token)).await;
        assert_eq!((status, text(&answer)), (StatusCode::OK, name));
    }
    let (status, _) = call(server.url(), "whoami", ("authorization", "Bearer wrong")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let health = server.url().replace("/mcp", "/health");
    let (status, _, body) = send(Method::GET, &health, &[], String::new()).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
}

#[tokio::test]
async fn each_tenant_of_per_tenant_has_its_own_tools() {
    let server = ExampleServer::start("per_tenant").await;
    for (tenant, tool, other) in [("bakery", "bake", "repair"), ("garage", "repair", "bake")] {
        let (_, answer) = call(server.url(), tool, ("x-tenant", tenant)).await;
        assert!(answer["result"]["content"].is_array(), "{answer}");
        let (_, answer) = call(server.url(), other, ("x-tenant", tenant)).await;
        assert_eq!(answer["error"]["code"], -32602);
    }
    let (status, answer) = call(server.url(), "bake", ("x-tenant", "nobody")).await;
    assert_eq!(
        (status, &answer["error"]["message"]),
        (StatusCode::FORBIDDEN, &json!("there is no such tenant"))
    );
}

/// Sends a call to the example `rate_limited`, and returns the status, when to try again, and the reply.
async fn limited(url: &str, key: &str, params: Value) -> (u16, Option<u64>, Value) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let authorization = format!("Bearer {key}");
    let headers =
        [(header::CONTENT_TYPE.as_str(), "application/json"), ("authorization", authorization.as_str())];
    let (status, headers, body) = send(Method::POST, url, &headers, body.to_string()).await;
    let wait = headers.get(header::RETRY_AFTER).map(|value| value.to_str().expect("ASCII"));
    let wait = wait.map(|seconds| seconds.parse().expect("seconds"));
    (status.as_u16(), wait, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_caller_of_rate_limited_who_sends_too_much_waits_and_others_notice_nothing() {
    let server = ExampleServer::start("rate_limited").await;
    let [ada, bob] = ["ada-0123456789abcdef", "bob-0123456789abcdef"];
    let add = || json!({"name": "add", "arguments": {"a": 1, "b": 2}});
    let mut calls = 0;
    // Places become free meanwhile, but more slowly than a request takes.
    let (wait, answer) = loop {
        let (status, wait, answer) = limited(server.url(), ada, add()).await;
        match status {
            200 => calls += 1,
            429 => break (wait.expect("when to try again"), answer),
            other => panic!("{other}: {answer}"),
        }
        assert!(calls < 100, "there is no limit");
    };
    assert!(calls >= 5 && (1..=4).contains(&wait), "{calls} {wait}");
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert_eq!(limited(server.url(), bob, add()).await.0, 200);
    assert_eq!(limited(server.url(), "unknown", add()).await.0, 401);
}

#[tokio::test]
async fn whoever_listens_to_live_resources_hears_of_each_note() {
    let server = ExampleServer::start("live_resources").await;
    let wanted = json!({"resourcesListChanged": true, "resourceSubscriptions": ["note://milk"]});
    let post = |method: &str, mut params: Value, name: &str| {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
        http::Request::post(server.url().parse::<Uri>().expect("a URL"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name)
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request")
    };
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let listen = post("subscriptions/listen", json!({"notifications": wanted}), "");
    let mut news = client.request(listen).await.expect("a stream").into_body();
    let mut next = async || {
        let frame = news.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        let text = String::from_utf8(frame.to_vec()).expect("UTF-8");
        let data = text.strip_prefix("data: ").unwrap_or_else(|| panic!("no event: {text}"));
        serde_json::from_str::<Value>(data.trim_end()).expect("JSON")
    };
    let acknowledged = next().await;
    assert_eq!(acknowledged["params"]["notifications"], wanted);
    for expected in ["notifications/resources/list_changed", "notifications/resources/updated"] {
        let note = json!({"name": "write_note", "arguments": {"about": "milk", "text": "Buy some."}});
        client.request(post("tools/call", note, "write_note")).await.expect("an answer");
        let event = next().await;
        assert_eq!(event["method"], expected);
        assert_eq!(event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "a");
    }
}

#[tokio::test]
async fn live_resources_keeps_no_more_notes_than_it_says() {
    let server = ExampleServer::start("live_resources").await;
    let write = async |about: &str, text: &str| {
        let arguments = json!({"about": about, "text": text});
        let params = json!({"name": "write_note", "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
        let (_, _, body) = send(Method::POST, server.url(), &headers, body.to_string()).await;
        serde_json::from_str::<Value>(&body).expect("JSON")
    };
    // Refused requests do not block others.
    for (about, text) in [("a b", "no URI"), ("long", &*"x".repeat(10_000))] {
        assert_eq!(write(about, text).await["result"]["isError"], true, "{about}");
    }
    for number in 0..100 {
        assert_eq!(text(&write(&format!("note{number}"), "").await), "noted");
    }
    let answer = write("one-more", "").await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(text(&write("note7", "new").await), "noted");
}

#[tokio::test]
async fn every_server_ends_on_both_signals_whatever_its_clients_do() {
    let mut ends = tokio::task::JoinSet::new();
    for (name, signal) in SERVERS.into_iter().flat_map(|name| [(name, "INT"), (name, "TERM")]) {
        ends.spawn(async move { ExampleServer::start(name).await.ends_beside_stuck_clients(signal).await });
    }
    ends.join_all().await;
}

#[tokio::test]
async fn a_path_with_a_slash_at_its_end_is_served_by_every_server() {
    for name in SERVERS {
        let server = ExampleServer::start(name).await;
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/json"),
            ("authorization", "Bearer ada-secret"),
            ("x-tenant", "bakery"),
        ];
        for slash in ["", "/"] {
            let url = format!("{}{slash}", server.url());
            let (status, _, body) = send(Method::POST, &url, &headers, ping.clone()).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
        }
        let (status, ..) = send(Method::POST, &format!("{}/x", server.url()), &headers, ping).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn a_server_outlives_that_it_runs_out_of_descriptors() {
    let mut command = Command::new("sh");
    let limited = "ulimit -n 64 && exec \"$0\" --addr 127.0.0.1:0";
    command.args(["-c", limited]).arg(example("hyper_server"));
    let server = ExampleServer::run(command).await;
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(server.connect("").await);
    }
    drop(connections);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
    let (status, ..) = send(Method::POST, server.url(), &headers, ping).await;
    assert_eq!(status, StatusCode::OK);
    assert!(server.ends_by("TERM").await.success());
}

#[tokio::test]
async fn without_server_answers_with_no_socket() {
    let output = run_example("without_server", &[]).await;
    assert!(output.starts_with("200 OK\n") && output.contains(r#""text":"30""#), "{output}");
}

#[tokio::test]
async fn a_wrong_option_is_explained() {
    let output = run_example("quickstart", &["--port", "1"]).await;
    assert!(output.contains("--addr HOST:PORT"), "{output}");
}
