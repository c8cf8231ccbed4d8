//! Shutting down.

use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::call::NoArguments;
use mcp_stateless::changes::Changes;
use mcp_stateless::registry::Live;
use mcp_stateless::{CallContext, Tool, ToolRegistry};
use serde_json::json;

use crate::listening::listen;
use crate::site::Site;
use crate::support::{Era, Post};

fn site() -> Arc<Site<Live<ToolRegistry>>> {
    let wait = |seconds| move || tokio::time::sleep(Duration::from_secs(seconds));
    let tools = ToolRegistry::builder()
        .tool("brief", "", wait(5))
        .tool("long", "", wait(100))
        .register(Tool::new("detached", "", wait(5)).detached())
        .tool("stream", "", async |_: NoArguments, cx: CallContext| {
            cx.progress(1.0, None, "").await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        });
    let tools = tools.build().expect("valid tools");
    Arc::new(Site::new(Live::new(tools, Changes::in_process())))
}

#[tokio::test]
async fn each_subscription_ends_with_its_result() {
    let site = site();
    let mut wires = Vec::new();
    for id in ["1", r#""\u0061""#] {
        let post = listen(&json!({"toolsListChanged": true})).edit(r#""id":1"#, &format!(r#""id":{id}"#));
        let mut wire = site.open(post).await;
        wire.message().await;
        wires.push((id, wire));
    }
    // Its stream has not been read yet.
    wires.push(("1", site.open(listen(&json!({}))).await));
    let closing = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.manager.shut_down(Duration::from_secs(3600)).await }
    });
    for (index, (id, mut wire)) in wires.into_iter().enumerate() {
        if index == 2 {
            assert_eq!(wire.message().await["method"], "notifications/subscriptions/acknowledged");
        }
        let end = wire.raw().await.expect("a result");
        let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":"#);
        assert!(end.starts_with(&start), "{end}");
        assert!(end.contains(&format!(r#""io.modelcontextprotocol/subscriptionId":{id}"#)), "{end}");
        assert_eq!(wire.next().await, None);
    }
    assert_eq!(closing.await.expect("no panic"), 0);
}

#[tokio::test]
async fn new_requests_are_refused() {
    let site = site();
    assert_eq!(site.manager.shut_down(Duration::ZERO).await, 0);
    for post in [
        Post::call(Era::Modern, "brief", json!({})),
        Post::legacy("ping", &json!({})),
        listen(&json!({})),
        Post::raw("nonsense"),
    ] {
        let answer = site.send(post).await;
        assert_eq!(answer.error(), (503, -32603));
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(answer.error_message().contains("shutting down"), "{answer:?}");
    }
    // A clone is a handle to the same manager.
    let answer = Site { manager: site.manager.clone(), registry: site.registry.clone() };
    assert_eq!(answer.send(Post::legacy("ping", &json!({}))).await.status, 503);
}

#[tokio::test]
async fn a_process_is_ready_until_its_end_is_announced_and_alive_after_it() {
    let site = site();
    let probe = async |response| {
        let answer = crate::support::Answer::read(response).await;
        (answer.status.as_u16(), answer.text().to_owned(), answer.headers.contains_key("retry-after"))
    };
    assert_eq!(probe(site.manager.readiness()).await, (200, "ready\n".to_owned(), false));
    assert_eq!(probe(site.manager.liveness()).await, (200, "alive\n".to_owned(), false));
    site.manager.announce_shut_down();
    let not_ready = (503, "shutting down\n".to_owned(), true);
    assert_eq!(probe(site.manager.readiness()).await, not_ready);
    // Until the balancer has noticed, requests are served.
    assert_eq!(site.send(Post::legacy("ping", &json!({}))).await.status, 200);
    site.manager.shut_down(Duration::ZERO).await;
    assert_eq!(probe(site.manager.readiness()).await, not_ready);
    assert_eq!(probe(site.manager.liveness()).await.0, 200);
    // An end that was not announced is one as well.
    let other = self::site();
    other.manager.shut_down(Duration::ZERO).await;
    assert_eq!(probe(other.manager.readiness()).await, not_ready);
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_come_to_their_end_and_are_waited_for() {
    for (tool, meta) in
        [("brief", json!({})), ("stream", json!({"progressToken": 1})), ("detached", json!({}))]
    {
        let site = site();
        let call = tokio::spawn({
            let site = Arc::clone(&site);
            async move { site.send(Post::call_with_meta(Era::Modern, tool, json!({}), meta)).await }
        });
        tokio::task::yield_now().await;
        let start = tokio::time::Instant::now();
        assert_eq!(site.manager.shut_down(Duration::from_secs(60)).await, 0, "{tool}");
        assert_eq!(start.elapsed().as_secs(), 5);
        assert!(call.await.expect("no panic").text().contains(r#""content":[]"#));
    }
}

#[tokio::test]
async fn managers_that_are_joined_share_their_bounds_and_are_shut_down_together() {
    let registry = || Live::new(ToolRegistry::builder().build().expect("no tools"), Changes::in_process());
    let first = Site::with(registry(), |builder| builder.max_listeners(1));
    let joined: Vec<_> =
        (0..2).map(|_| Site::with(registry(), |builder| builder.join(&first.manager))).collect();
    let mut wire = joined[0].open(listen(&json!({"toolsListChanged": true}))).await;
    wire.message().await;
    let refused = joined[1].send(listen(&json!({"toolsListChanged": true}))).await;
    assert_eq!(refused.status, 503);

    // Calls of a manager that has been dropped continue, and are waited for.
    drop(joined);
    let manager = first.manager.clone();
    let closing = tokio::spawn(async move { manager.shut_down(Duration::from_secs(3600)).await });
    assert!(wire.raw().await.expect("a result").contains(r#""resultType":"complete""#));
    assert_eq!(wire.next().await, None);
    drop(wire);
    assert_eq!(closing.await.expect("no panic"), 0);
    let late = Site::with(registry(), |builder| builder.join(&first.manager));
    assert_eq!(late.send(Post::legacy("ping", &json!({}))).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn those_who_still_run_at_the_deadline_are_counted() {
    let site = site();
    let mut calls = Vec::new();
    for tool in ["long", "brief", "long"] {
        let site = Arc::clone(&site);
        calls.push(tokio::spawn(async move { site.send(Post::call(Era::Modern, tool, json!({}))).await }));
    }
    // Its stream is not read.
    let unread = site.open(listen(&json!({}))).await;
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    assert_eq!(site.manager.shut_down(Duration::from_secs(10)).await, 3);
    assert_eq!(start.elapsed().as_secs(), 10);
    drop(unread);
    calls[0].abort();
    // A second call waits for the rest.
    assert_eq!(site.manager.shut_down(Duration::from_secs(1000)).await, 0);
    assert_eq!(start.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_whose_client_has_left_is_waited_for_as_well() {
    let site = site();
    let call = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.send(Post::call(Era::Modern, "detached", json!({}))).await }
    });
    tokio::task::yield_now().await;
    call.abort();
    assert!(call.await.is_err());
    let start = tokio::time::Instant::now();
    assert_eq!(site.manager.shut_down(Duration::from_secs(60)).await, 0);
    assert_eq!(start.elapsed().as_secs(), 5);
}
