//! What handlers take: the state, parts of the call, arguments and a context.

use std::sync::Arc;

use mcp_stateless::call::{Call, Extension, FromCall};
use mcp_stateless::protocol::{ErrorCode, RpcError};
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{
    CallContext, Catalog, Principal, Prompt, PromptRegistry, Resource, ResourceRegistry, State, Tool,
    ToolError, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::log::Log;

struct Tracker {
    first: u64,
}

#[derive(Deserialize, JsonSchema)]
struct ById {
    id: u64,
}

#[derive(Clone)]
struct User(&'static str);

#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
impl Tracker {
    async fn alone(self: Arc<Self>) -> u64 {
        self.first
    }

    async fn get(self: Arc<Self>, ById { id }: ById) -> u64 {
        self.first + id
    }

    async fn of_user(self: Arc<Self>, Extension(User(name)): Extension<User>, ById { id }: ById) -> String {
        format!("{name} {}", self.first + id)
    }

    async fn close(self: Arc<Self>, ById { id }: ById, cx: CallContext) -> String {
        cx.progress(1.0, None, "closing").await;
        format!("closed {}", self.first + id)
    }

    async fn prompt(self: Arc<Self>, ById { id }: ById) -> String {
        format!("Explain {}.", self.first + id)
    }
}

async fn of_all(
    State(tracker): State<Arc<Tracker>>,
    caller: Principal,
    Extension(User(name)): Extension<User>,
    ById { id }: ById,
    cx: CallContext,
) -> String {
    format!("{} {caller} {name} {} {}", tracker.first, id, cx.extensions().get::<User>().is_some())
}

/// What a host's own extractor lets pass.
struct Admin(&'static str);

impl<S> FromCall<S> for Admin {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        match call.head().extensions.get() {
            Some(User("ada")) => Ok(Self("ada")),
            Some(_) => Err(ToolError::new("Ada alone may do this")),
            None => Err(RpcError::new(ErrorCode(-32000), "Who are you?").into()),
        }
    }
}

fn tools() -> ToolRegistry {
    ToolRegistry::builder()
        .tool("plain", "", async |ById { id }: ById| id)
        .with_state(Arc::new(Tracker { first: 40 }))
        .tool("alone", "", Tracker::alone)
        .tool("get", "", Tracker::get)
        .tool("of_user", "", Tracker::of_user)
        .tool("close", "", Tracker::close)
        .tool("of_all", "", of_all)
        .tool("nothing", "", async || "nothing")
        .tool("context", "", async |cx: CallContext| {
            cx.progress(1.0, None, "").await;
            cx.uri().path().to_owned()
        })
        .tool(
            "contexts",
            "",
            async |one: CallContext,
                   Extension(User(name)): Extension<User>,
                   ById { id }: ById,
                   two: CallContext| {
                one.progress(1.0, None, "").await;
                two.progress(2.0, None, "").await;
                format!("{name} {id}")
            },
        )
        .tool("agent", "", async |headers: http::HeaderMap| {
            headers.get("user-agent").and_then(|it| it.to_str().ok()).unwrap_or("nobody").to_owned()
        })
        .tool("perhaps", "", async |user: Option<Extension<User>>, caller: Option<Principal>| {
            format!("{} {}", user.is_some(), caller.is_some())
        })
        .tool("reset", "", async |Admin(name): Admin| name)
        .register(Tool::new("add", "", async |State(tracker): State<Arc<Tracker>>, ById { id }: ById| {
            tracker.first + id
        }))
        .register(stateless().with_state(()))
        .with_state(7_u8)
        .tool("byte", "", async |State(byte): State<u8>| byte)
        .build()
        .expect("valid tools")
}

fn stateless() -> Tool {
    Tool::new("standalone", "", async || "standalone")
}

fn ada() -> TestClient<ToolRegistry> {
    TestClient::new(tools()).extension(User("ada")).principal("a-1")
}

#[tokio::test]
async fn handlers_take_the_state_parts_of_the_call_arguments_and_a_context() {
    for client in [ada(), ada().legacy()] {
        for (tool, expected) in [
            ("plain", "2"),
            ("alone", "40"),
            ("get", "42"),
            ("of_user", "ada 42"),
            ("close", "closed 42"),
            ("of_all", "40 a-1 ada 2 true"),
            ("nothing", "nothing"),
            ("context", "/mcp"),
            ("contexts", "ada 2"),
            ("agent", "nobody"),
            ("perhaps", "true true"),
            ("reset", "ada"),
            ("add", "42"),
            ("standalone", "standalone"),
            ("byte", "7"),
        ] {
            let reply = client.call(tool, json!({"id": 2})).await;
            assert_eq!(reply.text(), expected, "{tool}: {reply:?}");
            let reports = match tool {
                "close" | "context" => 1,
                "contexts" => 2,
                _ => 0,
            };
            assert_eq!(reply.progress.len(), reports, "{tool}");
        }
    }
}

#[tokio::test]
async fn schemas_are_those_of_the_arguments_whatever_else_a_handler_takes() {
    let listed = ada().list_tools().await;
    assert_eq!(listed.len(), 15);
    for tool in listed {
        let name = tool["name"].as_str().unwrap_or_default();
        let takes_id = ["plain", "get", "of_user", "close", "of_all", "contexts", "add"].contains(&name);
        assert_eq!(tool["inputSchema"]["properties"]["id"].is_object(), takes_id, "{tool}");
    }
}

#[tokio::test]
async fn a_part_that_is_missing_is_the_hosts_fault_and_not_shown() {
    let log = Log::default();
    let logging = log.keep();
    let reply = TestClient::new(tools()).call("of_user", json!({"id": 2})).await;
    drop(logging);
    assert!(log.text().contains("handlers::User"), "{}", log.text());
    assert!(reply.is_error() && reply.text().starts_with("Internal error (reference "), "{reply:?}");
    let nobody = TestClient::new(tools()).call("perhaps", json!({})).await;
    assert_eq!(nobody.text(), "false false");
}

#[tokio::test]
async fn a_hosts_own_part_refuses_with_its_own_error() {
    let refused = TestClient::new(tools()).extension(User("bob")).call("reset", json!({})).await;
    assert!(refused.is_error(), "{refused:?}");
    assert_eq!(refused.text(), "Ada alone may do this");
    let unknown = TestClient::new(tools()).call("reset", json!({})).await;
    assert_eq!(unknown.error(), (ErrorCode(-32000), "Who are you?"));
}

#[tokio::test]
async fn prompts_resources_and_templates_have_a_state_as_well() {
    let tracker = Arc::new(Tracker { first: 40 });
    let explain = Prompt::new(
        "of_user",
        "",
        async |Extension(User(name)): Extension<User>, State(it): State<Arc<Tracker>>| {
            format!("{name} {}", it.first)
        },
    );
    let prompts = PromptRegistry::builder()
        .with_state(Arc::clone(&tracker))
        .prompt("explain", "", Tracker::prompt)
        .register(explain)
        .build();
    let resources = ResourceRegistry::builder()
        .with_state(tracker)
        .resource("issue://first", "first", async |State(it): State<Arc<Tracker>>| it.first.to_string())
        .register(Resource::new("issue://user", "user", async |Extension(User(name)): Extension<User>| name))
        .register_template(ResourceTemplate::new("issue://by-id/{id}", "by id", Tracker::prompt))
        .build();
    let catalog = Catalog::builder().add(prompts.expect("prompts")).add(resources.expect("resources"));
    let client = TestClient::new(catalog.build().expect("no collisions")).extension(User("ada"));
    assert_eq!(client.get_prompt("explain", json!({"id": "2"})).await.text(), "Explain 42.");
    assert_eq!(client.get_prompt("of_user", json!({})).await.text(), "ada 40");
    assert_eq!(client.read("issue://first").await.text(), "40");
    assert_eq!(client.read("issue://user").await.text(), "ada");
    assert_eq!(client.read("issue://by-id/2").await.text(), "Explain 42.");
    let arguments = &client.list_prompts().await[0]["arguments"];
    assert_eq!(arguments, &json!([{"name": "id", "required": true}]));
}
