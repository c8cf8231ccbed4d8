//! Middleware around the calls of a registry, and rights beside a tool.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_stateless::call::{Call, CallFuture, CallKind, Output};
use mcp_stateless::protocol::{ErrorCode, RpcError};
use mcp_stateless::registry::{CallInfo, Middleware, Next, Outcome};
use mcp_stateless::testing::TestClient;
use mcp_stateless::{
    Catalog, PromptRegistry, Registry, ResourceRegistry, Tool, ToolError, ToolOutput, ToolRegistry,
};
use serde_json::json;

use crate::log::Log;

fn catalog() -> Catalog {
    let slow = Tool::new("slow", "", std::future::pending::<()>).time_limit(Some(Duration::from_millis(5)));
    let tools = ToolRegistry::builder()
        .tool("add", "", async || 1)
        .tool("fail", "", async || Err::<(), _>(ToolError::new("out of luck")))
        .tool("is_error", "", async || ToolOutput::error("no"))
        .register(slow);
    let prompts = PromptRegistry::builder().prompt("greet", "", async || "Greet.");
    let resources = ResourceRegistry::builder().resource("memo://today", "today", async || "Buy milk.");
    let catalog = Catalog::builder()
        .add(tools.build().expect("valid tools"))
        .add(prompts.build().expect("valid prompts"))
        .add(resources.build().expect("valid resources"));
    catalog.build().expect("no collisions")
}

#[tokio::test]
async fn a_middleware_sees_every_call_and_its_outcome() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let registry = catalog().layer(move |call: CallInfo, next: Next| {
        let notes = Arc::clone(&notes);
        async move {
            let outcome = next.await;
            let how = match &outcome {
                Ok(outcome) if outcome.is_error() => "is an error",
                Ok(_) => "is fine",
                Err(_) => "failed",
            };
            let caller = call.principal().map_or("nobody", |caller| caller.as_str());
            notes.lock().expect("no panic").push(format!("{caller} {} {} {how}", call.kind(), call.name()));
            outcome
        }
    });
    let client = TestClient::new(registry).principal("ada");
    assert_eq!(client.list_tools().await.len(), 4);
    assert_eq!(client.call("add", json!({})).await.text(), "1");
    assert_eq!(client.call("fail", json!({})).await.text(), "out of luck");
    assert_eq!(client.call("is_error", json!({})).await.text(), "no");
    assert_eq!(client.call("nobody", json!({})).await.error().0, ErrorCode::INVALID_PARAMS);
    assert_eq!(client.get_prompt("greet", json!({})).await.text(), "Greet.");
    assert_eq!(client.read("memo://today").await.text(), "Buy milk.");
    let expected = [
        "ada tool add is fine",
        "ada tool fail failed",
        "ada tool is_error is an error",
        "ada tool nobody failed",
        "ada prompt greet is fine",
        "ada resource memo://today is fine",
    ];
    assert_eq!(*seen.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn a_middleware_refuses_and_changes_what_comes_out() {
    let registry = catalog().layer(async |call: CallInfo, next: Next| match (call.kind(), call.name()) {
        (CallKind::Tool, "add") => next.await.map(|_| Outcome::from(ToolOutput::text("2"))),
        (CallKind::Tool, _) => Err(ToolError::new("add alone").into()),
        (CallKind::Prompt, _) => Err(RpcError::new(ErrorCode(-32000), "not now").into()),
        _ => Ok(ToolOutput::text("of another kind").into()),
    });
    let client = TestClient::new(registry);
    assert_eq!(client.call("add", json!({})).await.text(), "2");
    let refused = client.call("slow", json!({})).await;
    assert!(refused.is_error());
    assert_eq!(refused.text(), "add alone");
    assert_eq!(client.get_prompt("greet", json!({})).await.error(), (ErrorCode(-32000), "not now"));
    assert_eq!(client.read("memo://today").await.error().0, ErrorCode::INTERNAL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn a_call_within_a_middleware_keeps_its_time_limit_and_its_name() {
    let client = TestClient::new(catalog().layer(async |_: CallInfo, next: Next| next.await));
    let log = Log::default();
    let logging = log.keep();
    let stopped = client.call("slow", json!({})).await;
    drop(logging);
    assert!(stopped.text().contains("its limit of 5ms"), "{stopped:?}");
    assert!(log.text().contains("name=\"slow\""), "{}", log.text());
}

/// Lets nobody through, before anything is read.
struct Closed;

impl Middleware for Closed {
    fn around<T: Output>(&self, _: Call<'_>, _: impl FnOnce(Call<'_>) -> CallFuture<T>) -> CallFuture<T> {
        CallFuture::refused(RpcError::new(ErrorCode(-32000), "closed"))
    }
}

#[tokio::test]
async fn a_middleware_of_a_hosts_own_type_may_refuse_before_the_call_begins() {
    let client = TestClient::new(catalog().layer(Closed));
    for reply in [client.call("add", json!({})).await, client.read("memo://today").await] {
        assert_eq!(reply.error(), (ErrorCode(-32000), "closed"));
    }
}

#[derive(Clone)]
struct User {
    is_admin: bool,
}

#[tokio::test]
async fn the_rights_of_a_tool_govern_its_list_and_its_calls() {
    let is_admin = |head: &http::request::Parts| head.extensions.get::<User>().is_some_and(|it| it.is_admin);
    let tools = || {
        ToolRegistry::builder()
            .tool("read", "", async || "read")
            .register(Tool::new("reset", "", async || "reset").visible_to(is_admin))
            .build()
            .expect("valid tools")
    };
    let admin = TestClient::new(tools()).extension(User { is_admin: true });
    let user = TestClient::new(tools()).extension(User { is_admin: false });
    for (client, sees_all) in [(&admin, true), (&user, false), (&TestClient::new(tools()), false)] {
        let listed = client.list_tools().await;
        let names: Vec<_> = listed.iter().filter_map(|tool| tool["name"].as_str()).collect();
        assert_eq!(names, if sees_all { &["read", "reset"][..] } else { &["read"] });
        let page = client.request("tools/list", json!({})).await;
        assert_eq!(page.result()["cacheScope"], "private");
        let reply = client.call("reset", json!({})).await;
        if sees_all {
            assert_eq!(reply.text(), "reset");
        } else {
            assert_eq!(reply.error(), (ErrorCode::INVALID_PARAMS, "Unknown tool: reset"));
        }
        assert_eq!(client.call("read", json!({})).await.text(), "read");
    }
}
