//! Lists that may be out of date.

use std::time::Duration;

use mcp_stateless::Registry;
use mcp_stateless::protocol::Era;
use mcp_stateless::registry::{Has, Item};
use mcp_stateless::testing::TestClient;
use serde_json::json;

use crate::server::{Server, eventually};
use crate::wire::Peer;

#[tokio::test]
async fn a_list_is_fetched_again_when_its_session_was_closed() {
    let server = Server::start().await;
    let upstream = server.upstream().era(Era::Legacy).idle_timeout(Duration::from_millis(50));
    let upstream = upstream.build().expect("valid settings");
    let client = TestClient::new(upstream.clone()).legacy();
    assert_eq!(client.list_tools().await.len(), 1);
    eventually("the session is closed", async || upstream.stats().evicted == 1).await;
    server.has_tools(&["add", "subtract"]);
    assert_eq!(client.list_tools().await.len(), 2);
}

#[tokio::test]
async fn a_list_of_one_caller_does_not_deny_what_others_may_have() {
    let server = Server::start().await;
    let upstream = server.upstream().era(Era::Legacy).build().expect("valid settings");
    let client = TestClient::new(upstream.clone()).legacy().principal("ada");
    assert_eq!(upstream.has(Item::Tool("add")), Has::Maybe);
    assert_eq!(client.list_tools().await.len(), 1);
    assert_eq!(upstream.has(Item::Tool("add")), Has::Yes);
    assert_eq!(upstream.has(Item::Tool("subtract")), Has::Maybe);
}

#[tokio::test]
async fn a_list_that_has_changed_does_not_deny_what_is_new() {
    let (upstream, mut peer) = Peer::legacy(json!({"tools": {"listChanged": true}}));
    let client = TestClient::new(upstream.clone()).legacy();
    let list = async {
        let request = peer.open("tools/list").await;
        peer.answer(&request, json!({"tools": [{"name": "add", "inputSchema": {"type": "object"}}]})).await;
    };
    let (tools, ()) = tokio::join!(client.list_tools(), list);
    assert_eq!(tools.len(), 1);
    // All callers share its only session.
    assert_eq!(upstream.has(Item::Tool("subtract")), Has::No);
    peer.send(json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).await;
    eventually("the change arrives", async || upstream.has(Item::Tool("subtract")) == Has::Maybe).await;
}
