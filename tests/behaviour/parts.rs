//! The choice of the part of a catalog that gets a call.

use mcp_stateless::call::{Call, CallFuture};
use mcp_stateless::completion::{Completion, CompletionRequest};
use mcp_stateless::prompt::PromptOutput;
use mcp_stateless::protocol::ServerCapabilities;
use mcp_stateless::registry::{Answer, CatalogBuilder, Has, Item, ListRequest, Page};
use mcp_stateless::resource::ResourceOutput;
use mcp_stateless::{Catalog, Registry, ToolOutput, ToolRegistry};
use serde_json::{Value, json};

use crate::site::Site;
use crate::support::Era;

/// A part that claims to have what the test says, and answers everything with its own name.
struct Part {
    name: &'static str,
    offers: ServerCapabilities,
    has: Has,
}

fn everything() -> ServerCapabilities {
    let kinds = [ServerCapabilities::TOOLS, ServerCapabilities::PROMPTS, ServerCapabilities::RESOURCES];
    kinds.into_iter().fold(ServerCapabilities::COMPLETIONS, ServerCapabilities::with)
}

fn part(name: &'static str, offers: ServerCapabilities, has: Has) -> Part {
    Part { name, offers, has }
}

impl Registry for Part {
    fn capabilities(&self) -> ServerCapabilities {
        self.offers
    }

    fn has(&self, _: Item<'_>) -> Has {
        self.has
    }

    fn call_tool(&self, _: Call<'_>) -> CallFuture<ToolOutput> {
        let name = self.name;
        CallFuture::new(async move { name })
    }

    fn get_prompt(&self, _: Call<'_>) -> CallFuture<PromptOutput> {
        let name = self.name;
        CallFuture::new(async move { name })
    }

    fn read_resource(&self, _: Call<'_>) -> CallFuture<ResourceOutput> {
        let name = self.name;
        CallFuture::new(async move { name })
    }

    fn complete(&self, _: CompletionRequest<'_>) -> Answer<'_, Completion> {
        Answer::ready(Ok(Completion::new([self.name])))
    }
}

/// Returns which part answers a tool, a prompt, a resource, and completions of both kinds.
async fn answering(parts: impl IntoIterator<Item = Part>) -> Vec<Value> {
    let catalog = parts.into_iter().fold(Catalog::builder(), CatalogBuilder::add);
    let site = Site::new(catalog.build().expect("no collisions"));
    let argument = json!({"name": "a", "value": ""});
    let complete = |reference: Value| json!({"ref": reference, "argument": argument});
    let mut answers = Vec::new();
    for (method, params, pointer) in [
        ("tools/call", json!({"name": "x"}), "/content/0/text"),
        ("prompts/get", json!({"name": "x"}), "/messages/0/content/text"),
        ("resources/read", json!({"uri": "x:1"}), "/contents/0/text"),
        ("completion/complete", complete(json!({"type": "ref/prompt", "name": "x"})), "/completion/values/0"),
        (
            "completion/complete",
            complete(json!({"type": "ref/resource", "uri": "x:{a}"})),
            "/completion/values/0",
        ),
    ] {
        let result = site.send(Era::Modern.post(method, params)).await.json()["result"].take();
        answers.push(result.pointer(pointer).cloned().unwrap_or_default());
    }
    answers
}

#[tokio::test]
async fn a_part_that_does_not_offer_a_kind_never_gets_its_calls() {
    for has in [Has::Maybe, Has::Yes] {
        let parts = [part("tools", ServerCapabilities::TOOLS, has), part("all", everything(), Has::Maybe)];
        assert_eq!(answering(parts).await, ["tools", "all", "all", "all", "all"]);
        let parts = [part("prompts", ServerCapabilities::PROMPTS, has), part("all", everything(), Has::Yes)];
        let prompts = if has == Has::Yes { "prompts" } else { "all" };
        // If the part that has the prompt has no completions, there are none.
        let completed = if has == Has::Yes { json!(null) } else { json!("all") };
        let expected = [json!("all"), json!(prompts), json!("all"), completed, json!("all")];
        assert_eq!(answering(parts).await, expected);
    }
}

#[tokio::test]
async fn a_part_that_is_known_to_have_something_goes_before_those_that_may() {
    let parts = [
        part("no", everything(), Has::No),
        part("maybe", everything(), Has::Maybe),
        part("yes", everything(), Has::Yes),
        part("late", everything(), Has::Yes),
    ];
    assert_eq!(answering(parts).await, ["yes"; 5]);
    let parts = [
        part("no", everything(), Has::No),
        part("maybe", everything(), Has::Maybe),
        part("late", everything(), Has::Maybe),
    ];
    assert_eq!(answering(parts).await, ["maybe"; 5]);
    assert_eq!(
        answering([part("no", everything(), Has::No)]).await,
        [json!(null), json!(null), json!(null), json!(null), json!(null)]
    );
}

#[tokio::test]
async fn of_parts_that_may_have_something_the_longest_prefix_decides() {
    let named = |name, has| part(name, everything(), has);
    for (short, long, expected) in [
        (Has::Maybe, Has::Maybe, "long"),
        (Has::Yes, Has::Maybe, "short"),
        (Has::Yes, Has::Yes, "short"),
        (Has::Maybe, Has::No, "short"),
    ] {
        let catalog = Catalog::builder()
            .add_prefixed("a", named("short", short))
            .add_prefixed("a-b", named("long", long))
            .add_prefixed("a", named("late", Has::Maybe));
        let site = Site::new(catalog.build().expect("no collisions"));
        let called = site.result(Era::Modern.post("tools/call", json!({"name": "a-b-c"}))).await;
        assert_eq!(called["content"][0]["text"], expected, "{short:?} {long:?}");
    }
}

#[tokio::test]
async fn completions_go_to_a_part_that_completes() {
    let plain = ServerCapabilities::PROMPTS.with(ServerCapabilities::RESOURCES);
    let parts = [part("plain", plain, Has::Maybe), part("all", everything(), Has::Maybe)];
    assert_eq!(answering(parts).await, ["all", "plain", "plain", "all", "all"]);
}

#[test]
fn a_catalog_within_a_catalog_says_what_its_parts_say() {
    for has in [Has::No, Has::Maybe, Has::Yes] {
        let inner = Catalog::builder().add(part("x", ServerCapabilities::TOOLS, has)).build().expect("valid");
        assert_eq!(inner.has(Item::Tool("x")), has);
        assert_eq!(inner.has(Item::Prompt("x")), Has::No);
    }
}

/// A list whose pages never end: a circle, or always a new cursor.
struct Endless(Option<u64>);

impl Registry for Endless {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        let number: u64 = request.cursor.map_or(0, |cursor| cursor.parse().expect("a number"));
        let next = self.0.map_or(number + 1, |circle| (number + 1) % circle);
        let tool = json!({"name": format!("t{number}")});
        Answer::ready(Ok(Page::new([tool]).expect("JSON").next_cursor(next.to_string())))
    }
}

#[test]
fn pages_that_lead_in_a_circle_are_refused_when_the_catalog_is_built() {
    for circle in [1, 2, 7] {
        let error = Catalog::builder().add(Endless(Some(circle))).build().expect_err("a circle").to_string();
        assert!(error.contains("form a cycle"), "{error}");
    }
    let error = Catalog::builder().add_prefixed("far", Endless(Some(2))).build().expect_err("a circle");
    assert_eq!(error.name(), "far");
}

#[test]
fn pages_without_an_end_do_not_keep_a_catalog_from_being_built() {
    let tools = ToolRegistry::builder().tool("here", "", async || "").build().expect("valid tools");
    assert!(Catalog::builder().add(Endless(None)).add(tools).build().is_ok());
    let tools = ToolRegistry::builder().tool("t3", "", async || "").build().expect("valid tools");
    assert!(Catalog::builder().add(Endless(None)).add(tools).build().is_err());
}
