//! Tools, prompts and resources that the macros make of methods.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use mcp_stateless::auth::{self, Access, VerifiedToken};
use mcp_stateless::call::{CallError, Extension, FromCall, FromRef};
use mcp_stateless::completion::Completing;
use mcp_stateless::protocol::{CacheHint, ErrorCode, ResourceLink};
use mcp_stateless::registry::{Item, Registry as _};
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{
    CallContext, Catalog, Json, Principal, Prompt, PromptRegistry, Resource, ResourceRegistry, State, Tool,
    ToolError, ToolRegistry, prompts, resources, tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

struct Tracker {
    titles: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    titles: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Newest,
    Oldest,
}

#[derive(Clone)]
struct User(&'static str);

/// A host's own part of a call.
struct Admin(&'static str);

impl<S> FromCall<S> for Admin {
    fn from_call(call: &mut mcp_stateless::call::Call<'_>, _: &S) -> Result<Self, ToolError> {
        match call.head().extensions.get() {
            Some(User(name)) => Ok(Self(name)),
            None => Err(ToolError::new("Nobody may do this")),
        }
    }
}

impl Tracker {
    fn search_for(&self, text: &str, limit: Option<usize>) -> Vec<String> {
        let found = self.titles.iter().filter(|title| title.contains(text));
        found.take(limit.unwrap_or(usize::MAX)).cloned().collect()
    }
}

#[tools]
impl Tracker {
    /// Finds issues.
    ///
    /// The newest come first,
    ///   unless `order` says otherwise.
    #[tool(title = "Search", read_only, closed_world, time_limit = Duration::from_secs(5))]
    async fn search(
        &self,
        /// Words to look for.
        query: String,
        #[serde(default)] limit: Option<usize>,
        /// Which come first.
        #[serde(rename = "by")]
        order: Option<Order>,
    ) -> Result<Json<Found>, ToolError> {
        std::future::ready(()).await;
        let mut titles = self.search_for(&query, limit);
        if matches!(order, Some(Order::Oldest)) {
            titles.reverse();
        }
        Ok(Json(Found { titles }))
    }

    /// Closes an issue.
    #[tool(name = "close-issue", destructive, idempotent, detached)]
    async fn close(
        self: Arc<Self>,
        cx: CallContext,
        number: usize,
        #[from_call] Admin(name): Admin,
    ) -> String {
        cx.progress(1.0, None, "closing").await;
        format!("{name} closed {}", self.titles[number])
    }

    /// Counts issues.
    fn count(&self) -> usize {
        self.titles.len()
    }

    /// Tells who calls.
    #[tool(no_time_limit)]
    fn whoami(caller: Option<Principal>, Extension(User(name)): Extension<User>) -> String {
        format!("{name} {}", caller.is_some())
    }

    /// Tells a title.
    fn title(State(tracker): State<Arc<Tracker>>, r#type: Option<String>, mut number: usize) -> String {
        number -= 1;
        format!("{} {}", r#type.unwrap_or_default(), tracker.titles[number])
    }

    #[cfg(any())]
    /// Is never compiled.
    fn never(&self, _nothing: Nothing) -> usize {
        0
    }

    #[skip]
    fn secret(&self) -> usize {
        self.titles.len() + Self::ONE
    }

    const ONE: usize = 1;
}

#[derive(Deserialize, JsonSchema)]
struct Search {
    /// Words to look for.
    query: String,
    #[serde(default)]
    limit: Option<usize>,
    /// Which come first.
    by: Option<Order>,
}

#[derive(Deserialize, JsonSchema)]
struct Close {
    number: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Title {
    r#type: Option<String>,
    number: usize,
}

/// The same tools, registered without a macro.
fn hand_written(tracker: Arc<Tracker>) -> ToolRegistry {
    let search = async |State(_): State<Arc<Tracker>>, Search { query, limit, by }: Search| {
        Ok::<_, CallError>(Json(Found { titles: vec![format!("{query} {limit:?} {}", by.is_some())] }))
    };
    let close = async |Close { number }: Close| number;
    ToolRegistry::builder()
        .with_state(tracker)
        .register(
            Tool::new(
                "search",
                "Finds issues.\n\nThe newest come first,\n  unless `order` says otherwise.",
                search,
            )
            .title("Search")
            .read_only()
            .closed_world(),
        )
        .register(Tool::new("close-issue", "Closes an issue.", close).destructive().idempotent())
        .tool("count", "Counts issues.", async |State(it): State<Arc<Tracker>>| it.titles.len())
        .tool("whoami", "Tells who calls.", async || "")
        .tool("title", "Tells a title.", async |Title { r#type, number }: Title| format!("{number} {type:?}"))
        .build()
        .expect("valid tools")
}

fn tracker() -> Arc<Tracker> {
    let titles = ["slow search", "slow start", "crash"];
    Arc::new(Tracker { titles: titles.map(str::to_owned).to_vec() })
}

#[tokio::test]
async fn tools_of_methods_are_listed_as_those_that_are_written_out() {
    let of_methods = Tracker::tools(tracker()).build().expect("valid tools");
    for era in ["legacy", "modern"] {
        let list = async |registry: ToolRegistry| {
            let client = TestClient::new(registry);
            if era == "legacy" { client.legacy() } else { client }.list_tools().await
        };
        let listed = list(of_methods.clone()).await;
        assert_eq!(listed, list(hand_written(tracker())).await);
        assert_eq!(listed[0]["inputSchema"]["properties"]["query"]["description"], "Words to look for.");
        assert_eq!(listed[0]["inputSchema"]["required"], json!(["query"]));
        assert_eq!(listed[0]["annotations"], json!({"readOnlyHint": true, "openWorldHint": false}));
        assert!(listed[0]["outputSchema"]["properties"]["titles"].is_object(), "{}", listed[0]);
    }
}

#[tokio::test]
async fn tools_of_methods_take_self_parts_of_the_call_and_arguments() {
    let client = TestClient::new(Tracker::tools(tracker()).build().expect("valid tools"));
    let found = client.call("search", json!({"query": "slow", "by": "oldest"})).await;
    assert_eq!(found.text(), r#"{"titles":["slow start","slow search"]}"#);
    let limited = client.call("search", json!({"query": "slow", "limit": 1, "by": "newest"})).await;
    assert_eq!(limited.text(), r#"{"titles":["slow search"]}"#);
    let misfit = client.call("search", json!({"query": "slow", "limit": "all"})).await;
    assert!(misfit.is_error() && misfit.text().contains("at `limit`"), "{misfit:?}");
    assert_eq!(client.call("count", json!({})).await.text(), "3");
    assert_eq!(client.call("title", json!({"number": 3, "type": "bug:"})).await.text(), "bug: crash");
    let refused = client.call("close-issue", json!({"number": 2})).await;
    assert_eq!(refused.text(), "Nobody may do this");
    for name in ["secret", "close", "never"] {
        client.call(name, json!({})).await.error();
    }
    let client = client.extension(User("ada")).principal("a-1");
    let closed = client.call("close-issue", json!({"number": 2})).await;
    assert_eq!((closed.text(), closed.progress.len()), ("ada closed crash".to_owned(), 1));
    assert_eq!(client.call("whoami", json!({})).await.text(), "ada true");
    assert_eq!(tracker().secret(), 4);
}

struct Tokens;

#[tools]
impl Tokens {
    /// Greets the caller.
    fn greet(access: Access, greeting: String) -> String {
        format!("{greeting}, {}", access.token().subject())
    }

    /// Returns whether there is a token.
    fn has_token(access: Option<auth::Access>) -> bool {
        access.is_some()
    }
}

#[tokio::test]
async fn tools_of_methods_take_what_a_token_grants() {
    let client = TestClient::new(Tokens::tools().build().expect("valid tools"));
    assert_eq!(client.call("has_token", json!({})).await.text(), "false");
    let client = client.token(VerifiedToken::new("https://login.example.com", "ada"));
    assert_eq!(client.call("has_token", json!({})).await.text(), "true");
    assert_eq!(client.call("greet", json!({"greeting": "Hello"})).await.text(), "Hello, ada");
}

#[tokio::test]
async fn what_is_written_out_stands_beside_the_tools_of_methods() {
    let tools = ToolRegistry::builder()
        .tool("before", "", async || "before")
        .merge(
            Tracker::tools(tracker())
                .tool("of_state", "", async |State(it): State<Arc<Tracker>>| it.titles.len()),
        )
        .tool("after", "", async || "after")
        .build()
        .expect("valid tools");
    let client = TestClient::new(tools);
    let names: Vec<_> = client.list_tools().await.iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["before", "search", "close-issue", "count", "whoami", "title", "of_state", "after"]);
    assert_eq!(client.call("of_state", json!({})).await.text(), "3");
}

struct Stateless;

mod elsewhere {
    pub(super) use mcp_stateless as server;
}

#[tools(crate = elsewhere::server, builder = all, vis = pub(super))]
impl Stateless {
    /// Adds.
    async fn add(a: i64, b: i64) -> i64 {
        std::future::ready(a + b).await
    }
}

struct WithPool;

#[tools]
impl WithPool {
    /// Tells the size.
    fn size(State(pool): State<u8>) -> u8 {
        pool
    }
}

#[tokio::test]
async fn methods_without_self_need_no_state_or_one_that_they_name() {
    let tools = Stateless::all().merge(WithPool::tools(7)).build().expect("valid tools");
    let client = TestClient::new(tools);
    assert_eq!(client.call("add", json!({"a": 1, "b": 2.0})).await.text(), "3");
    assert_eq!(client.call("size", json!({})).await.text(), "7");
}

#[derive(Deserialize, JsonSchema)]
struct Point {
    x: i64,
}

#[tools]
impl Point {
    /// Tells how far the farthest is.
    fn farthest(from: Self, #[serde(default)] others: Vec<Self>) -> i64 {
        others.iter().map(|other| (other.x - from.x).abs()).max().unwrap_or_default()
    }
}

#[tokio::test]
async fn arguments_may_be_of_the_type_of_the_block() {
    let client = TestClient::new(Point::tools().build().expect("valid tools"));
    let arguments = json!({"from": {"x": 1}, "others": [{"x": 3}, {"x": -4}]});
    assert_eq!(client.call("farthest", arguments).await.text(), "5");
    assert_eq!(client.call("farthest", json!({"from": {"x": 1}})).await.text(), "0");
}

#[prompts]
impl Tracker {
    /// Explains an issue.
    #[prompt(title = "Explain")]
    async fn explain(
        &self,
        /// Which one.
        #[complete(numbers)]
        number: usize,
        language: Option<String>,
    ) -> String {
        std::future::ready(()).await;
        format!("Explain {:?} in {}.", self.titles[number], language.as_deref().unwrap_or("English"))
    }
}

async fn numbers(typed: Completing) -> Vec<String> {
    std::future::ready(()).await;
    (0..3).map(|number| number.to_string()).filter(|number| number.starts_with(&typed.value)).collect()
}

#[derive(Deserialize, JsonSchema)]
struct Explain {
    /// Which one.
    number: usize,
    language: Option<String>,
}

#[resources]
impl Tracker {
    /// All issues.
    #[resource(uri = "issue://all", mime_type = "text/plain", size = 29, cache_hint = CacheHint::default())]
    fn all(&self) -> String {
        self.titles.join("\n")
    }

    /// One issue.
    #[resource(uri = "issue://by-id/{number}", name = "by number", title = "Issue")]
    async fn by_number(self: Arc<Self>, #[complete(numbers)] number: usize, cx: CallContext) -> String {
        std::future::ready(()).await;
        format!("{} {}", self.titles[number], cx.uri().path())
    }
}

#[tokio::test]
async fn prompts_and_resources_of_methods_are_listed_as_those_that_are_written_out() {
    let explain = async |Explain { number, language }: Explain| format!("{number} {language:?}");
    let prompts = PromptRegistry::builder()
        .register(
            Prompt::new("explain", "Explains an issue.", explain)
                .title("Explain")
                .complete("number", numbers),
        )
        .build()
        .expect("valid prompts");
    let resources = ResourceRegistry::builder()
        .register(
            Resource::new("issue://all", "all", async || "")
                .description("All issues.")
                .mime_type("text/plain")
                .size(29),
        )
        .register_template(
            ResourceTemplate::new("issue://by-id/{number}", "by number", async || "")
                .description("One issue.")
                .title("Issue")
                .complete("number", numbers),
        )
        .build()
        .expect("valid resources");
    let written = Catalog::builder().add(prompts).add(resources).build().expect("no collisions");
    let (written, of_methods) = (TestClient::new(written), TestClient::new(of_methods()));
    assert_eq!(of_methods.list_prompts().await, written.list_prompts().await);
    assert_eq!(of_methods.list_resources().await, written.list_resources().await);
    assert_eq!(of_methods.list_resource_templates().await, written.list_resource_templates().await);
}

fn of_methods() -> Catalog {
    let prompts =
        PromptRegistry::builder().merge(Tracker::prompts(tracker())).build().expect("valid prompts");
    let resources =
        ResourceRegistry::builder().merge(Tracker::resources(tracker())).build().expect("valid resources");
    Catalog::builder().add(prompts).add(resources).build().expect("no collisions")
}

#[tokio::test]
async fn prompts_and_resources_of_methods_take_self_and_texts() {
    let client = TestClient::new(of_methods());
    let prompt = client.get_prompt("explain", json!({"number": "2"})).await;
    assert_eq!(prompt.text(), r#"Explain "crash" in English."#);
    assert_eq!(client.read("issue://all").await.text(), "slow search\nslow start\ncrash");
    assert_eq!(client.read("issue://by-id/1").await.text(), "slow start /mcp");
    let prompt = json!({"type": "ref/prompt", "name": "explain"});
    assert_eq!(client.complete(prompt, "number", "1").await, ["1"]);
    let template = json!({"type": "ref/resource", "uri": "issue://by-id/{number}"});
    assert_eq!(client.complete(template, "number", "").await, ["0", "1", "2"]);
}

#[tools]
impl Settings {
    /// Resets everything.
    #[tool(tag = "admin", with_meta = ("com.example/owner", "ada"), with_meta = ("com.example/cost", 3))]
    fn reset() -> &'static str {
        "done"
    }
}

#[prompts]
impl Settings {
    /// Greets.
    #[prompt(tag = "public", with_meta = ("com.example/owner", "ada"))]
    fn greet(name: String) -> String {
        name
    }

    /// Greets administrators.
    #[prompt(visible_to = is_admin, tag = "admin")]
    fn greet_admins() -> &'static str {
        "Hello"
    }
}

#[resources]
impl Settings {
    #[resource(uri = "log://{day}", list = days, tag = "admin", with_meta = ("com.example/owner", "ada"))]
    fn log(day: String) -> String {
        day
    }

    #[resource(uri = "secret://key", visible_to = is_admin, tag = "admin")]
    fn key() -> &'static str {
        "42"
    }
}

struct Settings;

fn is_admin(head: &http::request::Parts) -> bool {
    head.headers.contains_key("x-admin")
}

async fn days() -> Vec<ResourceLink> {
    vec![ResourceLink::new("log://monday", "monday"), ResourceLink::new("log://friday", "friday")]
}

#[tokio::test]
async fn settings_of_methods_reach_the_definitions() {
    let tools = Settings::tools().build().expect("valid tools");
    assert!(tools.tags(Item::Tool("reset")).has("admin"));
    let prompts = Settings::prompts().build().expect("valid prompts");
    assert!(prompts.tags(Item::Prompt("greet")).has("public"));
    assert!(prompts.tags(Item::Prompt("greet_admins")).has("admin"));
    let resources = Settings::resources().build().expect("valid resources");
    assert!(resources.tags(Item::Resource("log://monday")).has("admin"));
    assert!(resources.tags(Item::Resource("secret://key")).has("admin"));
    let catalog = Catalog::builder().add(tools).add(prompts).add(resources).build().expect("no collisions");
    let client = TestClient::new(catalog.clone());
    let owner = json!({"com.example/owner": "ada"});
    let tools = client.list_tools().await;
    assert_eq!(tools[0]["_meta"], json!({"com.example/owner": "ada", "com.example/cost": 3}));
    let prompts = client.list_prompts().await;
    assert_eq!((prompts.len(), &prompts[0]["_meta"]), (1, &owner), "{prompts:?}");
    let uris = |list: Vec<serde_json::Value>| list.iter().map(|it| it["uri"].clone()).collect::<Vec<_>>();
    assert_eq!(uris(client.list_resources().await), ["log://monday", "log://friday"]);
    assert_eq!(client.list_resource_templates().await[0]["_meta"], owner);
    assert_eq!(client.get_prompt("greet_admins", json!({})).await.error().0, ErrorCode::INVALID_PARAMS);
    assert_eq!(client.read("secret://key").await.error().1, "Resource not found");
    let (name, value) = (HeaderName::from_static("x-admin"), HeaderValue::from_static("yes"));
    let admin = TestClient::new(catalog).header(name, value);
    assert_eq!(admin.list_prompts().await.len(), 2);
    assert_eq!(admin.read("secret://key").await.text(), "42");
}

/// An application's state, each field of which is a part.
#[derive(Clone, FromRef)]
struct App {
    titles: Arc<Vec<String>>,
    greeting: &'static str,
    #[from_ref(skip)]
    farewell: &'static str,
}

#[derive(Clone, FromRef)]
#[from_ref(crate = elsewhere::server)]
struct Pair(u32, String);

#[tokio::test]
async fn fields_of_a_state_are_its_parts() {
    let app = App { titles: Arc::new(vec!["It crashes".to_owned()]), greeting: "Hello", farewell: "Bye" };
    let tools = ToolRegistry::builder()
        .with_state(app)
        .tool("count", "", async |State(titles): State<Arc<Vec<String>>>| titles.len())
        .tool("greet", "", async |State(greeting): State<&'static str>| greeting)
        .tool("part", "", async |State(app): State<App>| app.farewell)
        .with_state(Pair(7, "seven".to_owned()))
        .tool("pair", "", async |State(n): State<u32>, State(name): State<String>| format!("{n} {name}"));
    let client = TestClient::new(tools.build().expect("valid tools"));
    for (tool, text) in [("count", "1"), ("greet", "Hello"), ("part", "Bye"), ("pair", "7 seven")] {
        assert_eq!(client.call(tool, json!({})).await.text(), text);
    }
}
