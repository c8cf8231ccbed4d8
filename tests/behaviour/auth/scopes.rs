//! Scopes of tools, prompts, resources and templates.

use mcp_stateless::auth::{Access, ListedItems, VerifiedToken};
use mcp_stateless::call::Call;
use mcp_stateless::registry::Registry;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{
    CallContext, Catalog, Prompt, PromptRegistry, Resource, ResourceRegistry, Tool, ToolError, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::server::{METADATA_URL, Protected, bearer, challenges};
use crate::site::joined;
use crate::support::{Answer, Era, Post, Probe};

#[derive(Deserialize, JsonSchema)]
struct Move {
    from: String,
    to: String,
}

#[derive(Deserialize, JsonSchema)]
struct ById {
    id: String,
}

async fn by_id(ById { id }: ById) -> String {
    id
}

async fn suggest() -> Vec<&'static str> {
    vec!["suggested"]
}

fn catalog(probe: &Probe) -> Catalog {
    let ran = probe.clone();
    let needs_both = Tool::new("close", "", move || {
        ran.finish();
        async { "closed" }
    });
    let moves = Tool::new("move", "", async |it: Move| format!("{} to {}", it.from, it.to))
        .scope("files")
        .scopes_by(|call: &Call<'_>| match serde_json::from_str::<Move>(call.arguments()) {
            Ok(it) => vec![format!("{}:read", it.from), format!("{}:write", it.to)],
            Err(_) => Vec::new(),
        });
    let later = async |access: Access, cx: CallContext| -> Result<&'static str, ToolError> {
        if access.may("talkative") {
            cx.log(mcp_stateless::protocol::LogLevel::Emergency, "on my way").await;
        }
        access.require(["late:one", "late:two"])?;
        Ok("done")
    };
    let tools = ToolRegistry::builder()
        .tool("read", "", async || "read")
        .register(needs_both.scope("tickets:write").scope("tickets:close").scope("tickets:write"))
        .register(moves)
        .tool("later", "", later);
    let prompts = PromptRegistry::builder()
        .prompt("read", "", async || "Read.")
        .register(Prompt::new("close", "", by_id).complete("id", suggest).scope("tickets:write"));
    let resources = ResourceRegistry::builder()
        .resource("a:read", "read", async || "read")
        .register(Resource::new("a:close", "close", async || "close").scope("tickets:write"))
        .register_template(
            ResourceTemplate::new("close:{id}", "by id", by_id)
                .complete("id", suggest)
                .scope("tickets:write"),
        );
    joined(tools.build(), prompts.build(), resources.build())
}

/// A server with a catalog, and tokens with any scopes.
struct Site {
    issuer: Issuer,
    protected: Protected,
    catalog: Catalog,
    probe: Probe,
}

impl Site {
    fn new(listed: ListedItems) -> Self {
        let (issuer, probe) = (Issuer::new(), Probe::default());
        let protected = Protected::with(&issuer, issuer.verifier(), |server| {
            server.listed(listed).scopes_imply(|granted, needed| match granted {
                "admin" => true,
                "late" => needed.starts_with("late:"),
                _ => false,
            })
        });
        Self { issuer, protected, catalog: catalog(&probe), probe }
    }

    async fn send(&self, scopes: &str, post: Post) -> Answer {
        let token = self.issuer.token(|claims| claims["scope"] = scopes.into());
        let request =
            self.protected.authorize.check(bearer(post, &token).into_request()).await.expect("a good token");
        Answer::read(self.protected.manager.handle(request, &self.catalog).await).await
    }

    async fn ask(&self, scopes: &str, method: &str, params: Value) -> Answer {
        self.send(scopes, Post::modern(method, params)).await
    }

    async fn call(&self, scopes: &str, tool: &str, arguments: Value) -> Answer {
        self.send(scopes, Post::call(Era::Modern, tool, arguments)).await
    }
}

fn challenge(scopes: &str) -> String {
    format!(
        "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", resource_metadata=\"{METADATA_URL}\", \
         error_description=\"The access token does not grant the scopes that this needs\""
    )
}

#[tokio::test]
async fn a_call_without_its_scopes_is_forbidden_before_its_handler_runs_and_all_scopes_are_named() {
    let site = Site::new(ListedItems::Granted);
    for era in Era::BOTH {
        for scopes in ["", "tickets:read", "tickets:write", "tickets"] {
            let answer = site.send(scopes, Post::call(era, "close", json!({}))).await;
            assert_eq!(answer.error(), (403, -32600));
            assert_eq!(challenges(&answer), [challenge("tickets:write tickets:close")]);
        }
        assert_eq!(site.probe.finished(), 0);
    }
    let answer = site.call("tickets:close tickets:write", "close", json!({})).await;
    assert_eq!(answer.tool_text(), "closed");
    for (method, params) in [
        ("prompts/get", json!({"name": "close", "arguments": {"id": "1"}})),
        ("resources/read", json!({"uri": "a:close"})),
        ("resources/read", json!({"uri": "a:clos%65"})),
        ("resources/read", json!({"uri": "close:1"})),
    ] {
        let answer = site.ask("tickets:read", method, params.clone()).await;
        assert_eq!(answer.error(), (403, -32600), "{params}");
        assert_eq!(challenges(&answer), [challenge("tickets:write")]);
        assert_eq!(site.ask("tickets:write", method, params).await.status, 200);
    }
}

#[tokio::test]
async fn a_broader_scope_implies_narrower_ones() {
    let site = Site::new(ListedItems::Granted);
    assert_eq!(site.call("admin", "close", json!({})).await.tool_text(), "closed");
    assert_eq!(site.call("late", "later", json!({})).await.tool_text(), "done");
    assert_eq!(site.call("late:one", "later", json!({})).await.status, 403);
}

#[tokio::test]
async fn arguments_decide_which_scopes_are_needed_beside_those_of_the_definition() {
    let site = Site::new(ListedItems::Granted);
    let arguments = json!({"from": "inbox", "to": "archive"});
    let answer = site.call("files inbox:read", "move", arguments.clone()).await;
    assert_eq!(
        (answer.status.as_u16(), challenges(&answer)),
        (403, vec![&*challenge("files inbox:read archive:write")])
    );
    let answer = site.call("archive:write files inbox:read", "move", arguments).await;
    assert_eq!(answer.tool_text(), "inbox to archive");
    // Malformed arguments: neither the scope function nor the handler can read them.
    assert!(site.call("files", "move", json!({"from": 1})).await.json()["result"]["isError"] == true);
}

#[tokio::test]
async fn a_scope_that_is_made_of_arguments_adds_nothing_else_to_the_challenge() {
    let site = Site::new(ListedItems::Granted);
    let elsewhere = "a\", resource_metadata=\"https://evil.example/metadata";
    for from in [elsewhere, "a b", "a\\", "a\nb", "é", &"a".repeat(10_000)] {
        let answer = site.call("", "move", json!({"from": from, "to": "archive"})).await;
        assert_eq!(answer.error(), (403, -32600));
        assert_eq!(challenges(&answer), [challenge("files archive:write")]);
    }
}

#[tokio::test]
async fn a_handler_demands_scopes_itself_and_the_status_tells_while_it_can() {
    let site = Site::new(ListedItems::Granted);
    let answer = site.call("late:two", "later", json!({})).await;
    assert_eq!((answer.status.as_u16(), challenges(&answer)), (403, vec![&*challenge("late:one late:two")]));
    let talkative = Post::call_with_meta(
        Era::Modern,
        "later",
        json!({}),
        json!({"io.modelcontextprotocol/logLevel": "debug"}),
    );
    let answer = site.send("talkative", talkative).await;
    assert_eq!(answer.status, 200);
    let events = answer.events();
    assert_eq!(events.last().expect("an event")["error"]["code"], -32600);
}

#[tokio::test]
async fn lists_show_what_the_caller_may_do_or_all_of_it() {
    for (listed, scopes, tools, others) in [
        (ListedItems::Granted, "", vec!["read", "later"], 1),
        (ListedItems::Granted, "tickets:write", vec!["read", "later"], 2),
        (ListedItems::Granted, "tickets:write tickets:close", vec!["read", "close", "later"], 2),
        (ListedItems::Granted, "admin", vec!["read", "close", "move", "later"], 2),
        (ListedItems::All, "", vec!["read", "close", "move", "later"], 2),
    ] {
        let site = Site::new(listed);
        let list = async |method: &str, member: &str, key: &str| {
            let result = site.ask(scopes, method, json!({})).await.json()["result"].clone();
            assert_eq!(result["cacheScope"], "private");
            let items = result[member].as_array().expect("a list").clone();
            items.iter().map(|item| item[key].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list("tools/list", "tools", "name").await, tools, "{scopes}");
        assert_eq!(list("prompts/list", "prompts", "name").await.len(), others);
        assert_eq!(list("resources/list", "resources", "uri").await.len(), others);
        assert_eq!(list("resources/templates/list", "resourceTemplates", "name").await.len(), others - 1);
    }
}

#[tokio::test]
async fn what_needs_a_scope_is_not_completed_without_it_even_where_it_is_listed() {
    for listed in [ListedItems::Granted, ListedItems::All] {
        let site = Site::new(listed);
        for reference in [
            json!({"type": "ref/prompt", "name": "close"}),
            json!({"type": "ref/resource", "uri": "close:{id}"}),
        ] {
            let params = json!({"ref": reference, "argument": {"name": "id", "value": ""}});
            assert!(site.ask("", "completion/complete", params.clone()).await.json()["error"].is_object());
            let answer = site.ask("tickets:write", "completion/complete", params).await;
            assert_eq!(answer.json()["result"]["completion"]["values"], json!(["suggested"]));
        }
    }
}

#[tokio::test]
async fn a_request_that_has_passed_no_resource_server_has_no_scopes() {
    let client = TestClient::new(catalog(&Probe::default()));
    let reply = client.call("close", json!({})).await;
    assert_eq!(reply.error().0.0, -32600);
    assert_eq!(client.list_tools().await.len(), 2);
    assert_eq!(client.call("read", json!({})).await.text(), "read");
    // The handler takes an `Access`, which is an error of the host.
    assert!(client.call("later", json!({})).await.text().starts_with("Internal error"));
}

#[tokio::test]
async fn a_batch_has_its_refusals_within() {
    let site = Site::new(ListedItems::Granted);
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "close", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "read", "arguments": {}}},
    ]);
    let answer = site.send("", Post::raw(batch.to_string())).await;
    assert_eq!(answer.status, 200);
    let replies = answer.json();
    assert_eq!(
        (&replies[0]["error"]["code"], &replies[1]["result"]["content"][0]["text"]),
        (&json!(-32600), &json!("read"))
    );
}

#[tokio::test]
async fn a_middleware_sees_that_a_scope_is_missing() {
    use mcp_stateless::call::CallError;
    use mcp_stateless::registry::{CallInfo, Next};
    let site = Site::new(ListedItems::Granted);
    let registry = site.catalog.clone().layer(async |_: CallInfo, next: Next| {
        let outcome = next.await;
        assert!(matches!(&outcome, Err(CallError::InsufficientScope(_))));
        outcome
    });
    let token = site.issuer.token(|_| {});
    let post = bearer(Post::call(Era::Modern, "close", json!({})), &token);
    let request = site.protected.authorize.check(post.into_request()).await.expect("a good token");
    let answer = Answer::read(site.protected.manager.handle(request, &registry).await).await;
    assert_eq!(
        (answer.status.as_u16(), challenges(&answer)),
        (403, vec![&*challenge("tickets:write tickets:close")])
    );
}

#[test]
fn a_scope_that_is_none_is_refused_when_the_registry_is_built() {
    for scope in ["", "a b", "a\"b", "a\\b", "é", "a\nb", "offline_access"] {
        let tool = Tool::new("a", "", async || "").scope(scope);
        assert!(ToolRegistry::builder().register(tool).build().is_err(), "{scope:?}");
        let prompt = Prompt::new("a", "", async || "").scope(scope);
        assert!(PromptRegistry::builder().register(prompt).build().is_err(), "{scope:?}");
        let resource = Resource::new("a:b", "a", async || "").scope(scope);
        assert!(ResourceRegistry::builder().register(resource).build().is_err(), "{scope:?}");
    }
    let server = || {
        mcp_stateless::auth::ResourceServer::new("https://a.example", mcp_stateless::auth::ApiKeys::new("x"))
    };
    assert!(server().expect("a URL").scopes(["a b"]).is_err());
    assert!(server().expect("a URL").scopes_supported(["\""]).is_err());
}

struct Tickets;

#[mcp_stateless::tools]
impl Tickets {
    /// Close a ticket.
    #[tool(scope = "tickets:write", scope = "tickets:close")]
    fn close() -> &'static str {
        "closed"
    }

    /// Move a ticket.
    #[tool(scopes_by = |_: &Call<'_>| vec!["tickets:move".to_owned()])]
    fn relocate() -> &'static str {
        "moved"
    }
}

#[tokio::test]
async fn macros_set_scopes() {
    let site = Site::new(ListedItems::Granted);
    let tools = Tickets::tools().build().expect("valid tools");
    for (tool, scopes) in [("close", "tickets:write tickets:close"), ("relocate", "tickets:move")] {
        let post = bearer(Post::call(Era::Modern, tool, json!({})), &site.issuer.token(|_| {}));
        let request = site.protected.authorize.check(post.into_request()).await.expect("a good token");
        let answer = Answer::read(site.protected.manager.handle(request, &tools).await).await;
        assert_eq!((answer.status.as_u16(), challenges(&answer)), (403, vec![&*challenge(scopes)]));
    }
}

#[test]
fn the_error_of_a_missing_scope_names_them() {
    let access = Access::new(VerifiedToken::new("https://login.example", "ada").scopes(["late:one"]));
    assert!(access.require(["late:one"]).is_ok());
    let missing: &dyn std::error::Error =
        &access.require(["late:one", "late:two"]).expect_err("one is missing");
    assert!(missing.to_string().contains("late:one late:two"), "{missing}");
}
