//! The arguments of handlers: the state, parts of the call, arguments and a context.

use std::sync::Arc;

use mcp_stateless::call::{Call, Extension, FromCall, FromRef};
use mcp_stateless::completion::{Completing, Completion};
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
use crate::site::joined;

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

/// A host's own part of a call.
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

/// A state with several parts.
#[derive(Clone)]
struct App {
    tracker: Arc<Tracker>,
    names: &'static [&'static str],
}

impl FromRef<App> for Arc<Tracker> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.tracker)
    }
}

async fn first(State(tracker): State<Arc<Tracker>>) -> String {
    tracker.first.to_string()
}

async fn names(
    State(app): State<App>,
    user: Option<Extension<User>>,
    typed: Completing,
    cx: CallContext,
) -> Vec<String> {
    cx.progress(1.0, None, "goes nowhere").await;
    let names = app.names.iter().filter(|name| name.starts_with(&typed.value)).map(ToString::to_string);
    names
        .chain(user.map(|Extension(User(name))| name.to_owned()))
        .chain(typed.context.into_values())
        .collect()
}

fn of_parts() -> Catalog {
    let app = App { tracker: Arc::new(Tracker { first: 40 }), names: &["ada", "bob"] };
    let tools = ToolRegistry::builder().with_state(app.clone()).tool("first", "", first);
    let by_name = async |ById { id }: ById| id.to_string();
    let prompts = PromptRegistry::builder()
        .with_state(app.clone())
        .prompt("first", "", first)
        .register(Prompt::new("by_name", "", by_name).complete("id", names));
    let resources = ResourceRegistry::builder()
        .with_state(app)
        .resource("a:first", "first", first)
        .register_template(ResourceTemplate::new("a:template/{id}", "by name", first).complete("id", names));
    joined(tools.build(), prompts.build(), resources.build())
}

#[tokio::test]
async fn every_handler_takes_parts_of_a_bigger_state() {
    let client = TestClient::new(of_parts());
    assert_eq!(client.call("first", json!({})).await.text(), "40");
    assert_eq!(client.get_prompt("first", json!({})).await.text(), "40");
    assert_eq!(client.read("a:first").await.text(), "40");
    assert_eq!(client.read("a:template/1").await.text(), "40");
}

#[tokio::test]
async fn completers_take_the_state_parts_of_the_request_and_a_context() {
    let references = [
        json!({"type": "ref/prompt", "name": "by_name"}),
        json!({"type": "ref/resource", "uri": "a:template/{id}"}),
    ];
    for client in [TestClient::new(of_parts()), TestClient::new(of_parts()).legacy()] {
        for reference in &references {
            assert_eq!(client.complete(reference.clone(), "id", "b").await, ["bob"]);
            let user = client.clone().extension(User("cleo"));
            assert_eq!(user.complete(reference.clone(), "id", "a").await, ["ada", "cleo"]);
            let others = json!({"other": "x"});
            assert_eq!(client.complete_beside(reference.clone(), "id", "a", others).await, ["ada", "x"]);
        }
    }
}

#[tokio::test]
async fn a_completer_that_fails_is_logged_and_masked_like_a_call() {
    let asks = async |_: Completing, cx: CallContext| {
        let confirmed: Result<ById, _> = cx.elicit("id", "Which?").await;
        confirmed.map(|it| vec![it.id.to_string()])
    };
    let prompt = |name: &str| Prompt::new(name, "", async |ById { id }: ById| id.to_string());
    let prompts = PromptRegistry::builder()
        .register(prompt("undeclared").complete("id", async || Err::<Completion, _>("secret")))
        .register(
            prompt("declared").complete("id", async || Err::<Vec<String>, _>(ToolError::new("not now"))),
        )
        .register(prompt("panics").complete("id", async |_: Completing| -> Completion { panic!("secret") }))
        .register(prompt("asks").complete("id", asks))
        .build()
        .expect("valid prompts");
    let client = TestClient::new(prompts);
    for (name, told) in [
        ("undeclared", "Internal error (reference "),
        ("declared", "not now"),
        ("panics", "Internal error (reference "),
        ("asks", "The call has ended"),
    ] {
        let log = Log::default();
        let logging = log.keep();
        let params =
            json!({"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "id", "value": ""}});
        let reply = client.request("completion/complete", params).await;
        drop(logging);
        let (code, message) = reply.error();
        assert!(code == ErrorCode::INTERNAL_ERROR && message.starts_with(told), "{name}: {message}");
        let log = log.text();
        assert!(log.contains("kind=completion") && log.contains(&format!("name=\"{name}\"")), "{log}");
    }
}
