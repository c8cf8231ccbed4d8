//! Sessions over HTTP that are lost.

use axum::http::StatusCode;
use mcp_stateless::protocol::Era;
use mcp_stateless::testing::TestClient;
use serde_json::json;

use crate::server::{Server, eventually};

#[tokio::test]
async fn every_call_of_a_session_that_is_forgotten_is_made_again_in_another() {
    let server = Server::start().await;
    let upstream = server.upstream().era(Era::Legacy).build().expect("valid settings");
    let client = TestClient::new(upstream.clone()).legacy();
    assert_eq!(client.call("add", json!({})).await.text(), "legacy");
    let gates = [server.hold("one"), server.hold("two")];
    let calls = async { tokio::join!(client.call("one", json!({})), client.call("two", json!({}))) };
    let restarts = async {
        server.arrive("tools/call", 3).await;
        server.forget();
        gates[0].add_permits(1);
        // The first one has found out, and is repeated.
        server.arrive("tools/call", 4).await;
        gates[1].add_permits(1);
    };
    let ((one, two), ()) = tokio::join!(calls, restarts);
    assert_eq!((one.text(), two.text()), ("legacy".to_owned(), "legacy".to_owned()));
    assert_eq!(server.arrivals("initialize").len(), 2);
    assert!(server.arrivals("DELETE").is_empty(), "a forgotten session was deleted");
}

#[tokio::test]
async fn shutting_down_ends_the_calls_of_a_session_that_is_forgotten() {
    let server = Server::start().await;
    let upstream = server.upstream().era(Era::Legacy).build().expect("valid settings");
    let client = TestClient::new(upstream.clone()).legacy();
    let gates = [server.hold("one"), server.hold("two")];
    let calls = async { tokio::join!(client.call("one", json!({})), client.call("two", json!({}))) };
    let ends = async {
        server.arrive("tools/call", 2).await;
        server.forget();
        gates[0].add_permits(1);
        server.arrive("tools/call", 3).await;
        upstream.shut_down().await;
    };
    let ((_, two), ()) = tokio::join!(calls, ends);
    assert!(two.error().1.contains("ended the call"), "{two:?}");
}

#[tokio::test]
async fn a_connection_that_is_refused_fails_its_own_call_alone() {
    let server = Server::start().await;
    let upstream = server.upstream().era(Era::Legacy).build().expect("valid settings");
    let client = TestClient::new(upstream.clone()).legacy();
    assert_eq!(client.call("add", json!({})).await.text(), "legacy");
    let gate = server.hold("held");
    let refused = async {
        server.arrive("tools/call", 2).await;
        server.refuse_connections();
        // Open connections may be reused.
        eventually("a call fails", async || {
            let reply = client.request("tools/call", json!({"name": "add", "arguments": {}})).await;
            reply.message["error"]["message"].as_str().is_some_and(|it| it.contains("cannot be reached"))
        })
        .await;
        gate.add_permits(1);
    };
    let (held, ()) = tokio::join!(client.call("held", json!({})), refused);
    assert_eq!(held.text(), "legacy");
}

#[tokio::test]
async fn an_era_whose_probe_fails_for_now_is_probed_again() {
    let server = Server::start().await;
    server.refuse("server/discover", &[StatusCode::SERVICE_UNAVAILABLE; 2]);
    let upstream = server.upstream().build().expect("valid settings");
    let client = TestClient::new(upstream);
    assert_eq!(client.call("add", json!({})).await.text(), "legacy");
    eventually("the era of the client is used", async || {
        client.call("add", json!({})).await.text() == "modern"
    })
    .await;
}

#[tokio::test]
async fn the_session_of_an_initialize_that_lost_the_race_is_ended() {
    let server = Server::start().await;
    let (discover, initialize) = (server.hold("server/discover"), server.hold("initialize"));
    let upstream = server.upstream().build().expect("valid settings");
    let client = TestClient::new(upstream);
    let race = async {
        server.arrive("initialize", 1).await;
        discover.add_permits(1);
    };
    let (called, ()) = tokio::join!(client.call("add", json!({})), race);
    assert_eq!(called.text(), "modern");
    initialize.add_permits(1);
    server.arrive("DELETE", 1).await;
    assert_eq!(server.arrivals("DELETE")[0].session.as_deref(), Some("session-1"));
}
