//! Middleware around the calls of a registry, and rights of definitions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::request::Parts;
use mcp_stateless::call::{Call, CallFuture, CallKind, Output, Tags};
use mcp_stateless::changes::Changes;
use mcp_stateless::protocol::{ErrorCode, RpcError};
use mcp_stateless::registry::{CallInfo, Filtered, Item, Live, Middleware, Next, Outcome};
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{
    Catalog, Prompt, PromptRegistry, Registry, Resource, ResourceRegistry, Tool, ToolError, ToolOutput,
    ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::log::Log;
use crate::site::joined;

fn catalog() -> Catalog {
    let slow = Tool::new("slow", "", std::future::pending::<()>).time_limit(Some(Duration::from_millis(5)));
    let tools = ToolRegistry::builder()
        .tool("add", "", async || 1)
        .tool("fail", "", async || Err::<(), _>(ToolError::new("out of luck")))
        .tool("is_error", "", async || ToolOutput::error("no"))
        .register(slow);
    let prompts = PromptRegistry::builder().prompt("greet", "", async || "Greet.");
    let resources = ResourceRegistry::builder().resource("memo://today", "today", async || "Buy milk.");
    joined(tools.build(), prompts.build(), resources.build())
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

/// A part of a call that refuses every caller, before the arguments are read.
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

#[derive(Deserialize, JsonSchema)]
struct ById {
    id: String,
}

fn is_admin(head: &Parts) -> bool {
    head.extensions.get::<User>().is_some_and(|user| user.is_admin)
}

async fn by_id(ById { id }: ById) -> String {
    id
}

async fn suggest() -> Vec<&'static str> {
    vec!["suggested"]
}

/// Has one item of each kind that is visible to everyone, and one that is visible only to
/// administrators: by its own rights, or by a rule about tags.
fn guarded(by_tags: bool) -> Catalog {
    let rule = |tags: &Tags, head: &Parts| !tags.has("admin") || is_admin(head);
    let mut prompt = Prompt::new("reset", "", by_id).complete("id", suggest).tag("admin");
    let mut resource = Resource::new("a:reset", "reset", async || "reset").tag("admin");
    let mut template =
        ResourceTemplate::new("reset:{id}", "by id", by_id).complete("id", suggest).tag("admin");
    let mut tool = Tool::new("reset", "", async || "reset").tag("admin");
    let mut tools = ToolRegistry::builder().tool("read", "", async || "read");
    let mut prompts =
        PromptRegistry::builder().register(Prompt::new("read", "", by_id).complete("id", suggest));
    let mut resources = ResourceRegistry::builder()
        .resource("a:read", "read", async || "read")
        .register_template(ResourceTemplate::new("read:{id}", "by id", by_id).complete("id", suggest));
    if by_tags {
        tools = tools.visible_by_tags(rule);
        prompts = prompts.visible_by_tags(rule);
        resources = resources.visible_by_tags(rule);
    } else {
        tool = tool.visible_to(is_admin);
        prompt = prompt.visible_to(is_admin);
        resource = resource.visible_to(is_admin);
        template = template.visible_to(is_admin);
    }
    let resources = resources.register(resource).register_template(template).build();
    let catalog = Catalog::builder()
        .add(tools.register(tool).build().expect("valid tools"))
        .add(prompts.register(prompt).build().expect("valid prompts"))
        .add(Live::new(resources.expect("valid resources"), Changes::in_process()));
    catalog.build().expect("no collisions")
}

#[tokio::test]
async fn rights_beside_a_definition_govern_lists_calls_completions_and_subscriptions() {
    for catalog in [guarded(false), guarded(true)] {
        for sees_all in [true, false] {
            let client = TestClient::new(catalog.clone()).extension(User { is_admin: sees_all });
            let (tools, prompts) = (client.list_tools().await, client.list_prompts().await);
            let (resources, templates) =
                (client.list_resources().await, client.list_resource_templates().await);
            for list in [tools, prompts, resources, templates] {
                assert_eq!(list.len(), if sees_all { 2 } else { 1 }, "{list:?}");
            }
            for list in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
                assert_eq!(client.request(list, json!({})).await.result()["cacheScope"], "private");
            }
            for (name, is_seen) in [("read", true), ("reset", sees_all)] {
                let replies = [
                    client.call(name, json!({})).await,
                    client.get_prompt(name, json!({"id": "1"})).await,
                    client.read(&format!("a:{name}")).await,
                    client.read(&format!("{name}:1")).await,
                ];
                let completions = [
                    json!({"type": "ref/prompt", "name": name}),
                    json!({"type": "ref/resource", "uri": format!("{name}:{{id}}")}),
                ]
                .map(|reference| json!({"ref": reference, "argument": {"name": "id", "value": ""}}));
                for reply in replies {
                    assert_eq!(reply.message.get("result").is_some(), is_seen, "{reply:?}");
                }
                for completion in completions {
                    let reply = client.request("completion/complete", completion).await;
                    assert_eq!(reply.message.get("result").is_some(), is_seen, "{reply:?}");
                }
                let watched = [format!("a:{name}"), format!("{name}:1")];
                let listener = client.listen(json!({"resourceSubscriptions": watched.clone()})).await;
                let expected = if is_seen { json!({"resourceSubscriptions": watched}) } else { json!({}) };
                assert_eq!(listener.acknowledged(), &expected);
            }
            let unknown = client.call("nobody", json!({})).await;
            assert_eq!(unknown.error().1, "Unknown tool: nobody", "as of one that is hidden");
        }
    }
}

#[tokio::test]
async fn tags_are_seen_by_middleware_and_filters_and_never_sent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let catalog = guarded(false);
    let tags = catalog.clone();
    let registry = catalog.layer(move |call: CallInfo, next: Next| {
        notes.lock().expect("no panic").push(format!("{} {:?}", call.name(), call.tags()));
        next
    });
    let registry = Filtered::new(registry, move |item: Item<'_>, _: &Parts| {
        !tags.tags(item).has("admin") || matches!(item, Item::Tool(_))
    });
    let client = TestClient::new(registry).extension(User { is_admin: true });
    for reply in [client.call("reset", json!({})).await, client.call("read", json!({})).await] {
        assert!(!reply.is_error());
    }
    assert_eq!(*seen.lock().expect("no panic"), ["reset {\"admin\"}", "read {}"]);
    assert_eq!(client.read("reset:1").await.error().1, "Resource not found");
    assert_eq!(client.list_prompts().await.len(), 1);
    assert!(client.list_tools().await.iter().all(|tool| !tool.to_string().contains("admin")));
}
