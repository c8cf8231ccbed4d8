//! Subscription streams and questions.

use std::time::Duration;

use axum::http::StatusCode;
use mcp_stateless::Registry;
use mcp_stateless::protocol::Era;
use mcp_stateless::testing::TestClient;
use serde_json::json;
use tokio::time::timeout;

use crate::server::Server;
use crate::wire::Peer;

/// Longer than any pause in these tests, and shorter than the time limit of a client's answer.
const SOON: Duration = Duration::from_secs(90);

#[tokio::test(start_paused = true)]
async fn a_subscription_that_fails_is_asked_for_again() {
    let (upstream, mut peer) = Peer::modern(json!({"tools": {"listChanged": true}}));
    let client = TestClient::new(upstream.clone());
    let serve = async {
        let mut subscriptions = 0;
        while subscriptions < 2 {
            let request = peer.open("subscriptions/listen").await;
            peer.refuse(&request, -32603).await;
            subscriptions += 1;
        }
    };
    // The call opens the session, and gets no response.
    tokio::select! {
        served = timeout(SOON, serve) => served.expect("listening has stopped"),
        _ = client.call("add", json!({})) => panic!("the call has ended"),
    }
}

#[tokio::test]
async fn the_stream_of_a_session_that_is_refused_for_now_is_asked_for_again() {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        let server = Server::start().await;
        server.refuse("GET", &[status]);
        let upstream = server.upstream().era(Era::Legacy).build().expect("valid settings");
        let client = TestClient::new(upstream.clone()).legacy();
        assert_eq!(client.call("add", json!({})).await.text(), "legacy");
        server.arrive("GET", 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_answered_does_not_wait_for_its_question() {
    let (upstream, mut peer) = Peer::legacy(json!({"tools": {}}));
    let (sender, asked) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let question = json!({"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}});
    let serve = async {
        let call = peer.open("tools/call").await;
        let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": question});
        peer.send(ask).await;
        asked.await.expect("the client is asked");
        peer.answer(&call, json!({"content": [{"type": "text", "text": "done"}]})).await;
        std::future::pending::<()>().await;
    };
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}});
    let manager =
        mcp_stateless::StatelessSessionManager::builder("test", "1").build().expect("valid settings");
    let request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(http_body_util::Full::new(bytes::Bytes::from(body.to_string())))
        .expect("a request");
    let answered = async {
        use http_body_util::BodyExt as _;
        let mut body = manager.handle(request, &upstream).await.into_body();
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            let data = frame.expect("readable").into_data().expect("data");
            text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
            if text.contains("elicitation/create")
                && let Some(sender) = sender.lock().expect("not poisoned").take()
            {
                sender.send(()).expect("the server waits");
            }
        }
        text
    };
    tokio::select! {
        text = timeout(SOON, answered) => assert!(text.expect("the call hangs").contains("done")),
        () = serve => unreachable!("the loop has ended"),
    }
}

#[tokio::test]
async fn a_subscription_to_a_resource_that_is_not_answered_holds_up_no_other() {
    let (upstream, mut peer) = Peer::legacy(json!({"resources": {"subscribe": true}}));
    let (head, ()) = http::Request::new(()).into_parts();
    assert!(upstream.may_watch("a:1", &head));
    let first = peer.open("resources/subscribe").await;
    assert_eq!(first["params"]["uri"], "a:1");
    assert!(upstream.may_watch("a:2", &head));
    let second = timeout(Duration::from_secs(5), peer.open("resources/subscribe")).await;
    assert_eq!(second.expect("the second waits for the first")["params"]["uri"], "a:2");
}
