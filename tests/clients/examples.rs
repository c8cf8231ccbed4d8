//! The examples that have an idea of their own do what they say.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::server::{ExampleServer, run_example};

/// Sends one request over a connection of its own.
async fn send(
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
async fn without_server_answers_with_no_socket() {
    let output = run_example("without_server", &[]).await;
    assert!(output.starts_with("200 OK\n") && output.contains(r#""text":"30""#), "{output}");
}

#[tokio::test]
async fn a_wrong_option_is_explained() {
    let output = run_example("quickstart", &["--port", "1"]).await;
    assert!(output.contains("--addr HOST:PORT"), "{output}");
}
