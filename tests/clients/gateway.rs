//! The example `gateway`: published clients through it to published servers, and what it does when
//! those servers fail.

use std::{
    fs,
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use rmcp::{ServiceError, model::CallToolResult};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use crate::{
    cast,
    proxy::Proxy,
    rmcp_client::{self, Connector},
    script,
    server::{self, ExampleServer},
    stories::{ALL, Client, LEGACY, Library, MODERN, for_each_client},
};

/// Only bounds how long something that never happens can hold up the tests.
const LIMIT: Duration = Duration::from_secs(30);

/// A configuration in a file of its own.
struct Config(PathBuf);

impl Config {
    fn new(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.json", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, text).expect("the target directory takes files");
        Self(path)
    }

    fn of(servers: &Value) -> Self {
        Self::new(&json!({ "mcpServers": servers }).to_string())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(server::example("gateway"));
        command.arg(&self.0);
        command
    }

    async fn check(&self) -> Output {
        let mut command = self.command();
        command.arg("--check");
        script::run(command).await
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // Whoever cleans the target directory removes it as well.
        let _ = fs::remove_file(&self.0);
    }
}

/// A gateway in front of `servers`, the value of `mcpServers`.
async fn gateway(servers: Value) -> ExampleServer {
    let config = Config::of(&servers);
    let mut command = config.command();
    // What a test does to the servers is no news to whoever reads its output.
    command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "off");
    ExampleServer::run(command).await
}

async fn connect(url: &str) -> rmcp_client::Client {
    Connector::new("pinned", MODERN, url).connect().await
}

async fn number(client: &rmcp_client::Client, tool: &str) -> u32 {
    let answer = client.call(tool, json!({})).await.expect("a result");
    rmcp_client::text(&answer).parse().expect("a number")
}

fn is_error(answer: &Result<CallToolResult, ServiceError>) -> bool {
    match answer {
        Ok(result) => result.is_error == Some(true),
        Err(error) => matches!(error, ServiceError::McpError(_)),
    }
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// Waits for something that nothing tells of.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LIMIT, "it never came about that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn kill(id: u32) {
    let killed = Command::new("kill").args(["-s", "KILL", &id.to_string()]).status().await;
    assert!(killed.expect("kill runs").success(), "{id} cannot be killed");
}

fn port(server: &ExampleServer) -> u16 {
    let authority = server.url().split('/').nth(2).expect("a URL has an authority");
    authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
}

/// The words of the line about a server in what the gateway says of all.
fn line<'a>(said: impl IntoIterator<Item = &'a str>, server: &str) -> Vec<&'a str> {
    let mut lines = said.into_iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.first() == Some(&server));
    line.unwrap_or_else(|| panic!("nothing is said of {server}"))
}

impl Client {
    /// Goes through a story as the client of `server`, which lies behind `gateway`.
    async fn without_session(&self, story: &str, gateway: &ExampleServer, server: &str) {
        let url = format!("{}{server}", gateway.url());
        let proxy = Proxy::start([url.as_str()]).await;
        self.goes_through(&[story], proxy.url()).await;
        let seen = proxy.seen();
        assert!(!seen.is_empty());
        for exchange in &seen {
            self.assert_stateless(exchange);
        }
    }

    async fn with_stdio(&self) {
        let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
        self.without_session("reconnecting", &gateway, "/math").await;
        self.without_session("reconnecting:math-", &gateway, "").await;
    }

    async fn with_http(&self) {
        let http = cast::arithmetic_over_http(0).await;
        let gateway = gateway(json!({ "math": cast::http(&http) })).await;
        self.without_session("reconnecting", &gateway, "/math").await;
        self.without_session("reconnecting:math-", &gateway, "").await;
    }

    async fn with_both(&self) {
        let http = cast::arithmetic_over_http(0).await;
        let math = cast::stdio("arithmetic.py", &[]);
        let gateway = gateway(json!({ "math": math, "far": cast::http(&http) })).await;
        self.without_session("merged:math-,far-", &gateway, "").await;
    }

    /// Progress, errors and cancelling get through as well.
    async fn with_a_server_of_this_crate(&self) {
        let quickstart = ExampleServer::start("quickstart").await;
        let gateway = gateway(json!({ "quickstart": cast::http(&quickstart) })).await;
        let url = format!("{}/quickstart", gateway.url());
        self.goes_through(&ALL, &url).await;
    }
}

/// Servers of either era ask the users of clients of either.
async fn users_are_asked(client: &Client) {
    let (far, modern) = (cast::arithmetic_over_http(0).await, cast::modern().await);
    let gateway = gateway(json!({
        "math": cast::stdio("arithmetic.py", &[]),
        "far": cast::http(&far),
        "modern": cast::http(&modern),
    }))
    .await;
    client.without_session("greeting:math-,far-,modern-", &gateway, "").await;
}

macro_rules! asking {
    ($($name:ident: $library:ident, $era:literal, $revision:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            users_are_asked(&Client { library: Library::$library, era: $era, revision: $revision }).await;
        }
    )*};
}

asking! {
    servers_ask_the_user_of_python_1: Python1, "legacy", LEGACY;
    servers_ask_the_user_of_python_2_legacy: Python2, "legacy", LEGACY;
    servers_ask_the_user_of_python_2_auto: Python2, "auto", MODERN;
    servers_ask_the_user_of_python_2_pinned: Python2, "pinned", MODERN;
    servers_ask_the_user_of_typescript_1: TypeScript1, "legacy", LEGACY;
    servers_ask_the_user_of_typescript_2_legacy: TypeScript2, "legacy", LEGACY;
    servers_ask_the_user_of_typescript_2_auto: TypeScript2, "auto", MODERN;
    servers_ask_the_user_of_typescript_2_pinned: TypeScript2, "pinned", MODERN;
}

macro_rules! through_the_gateway {
    ($name:ident: $library:ident, $era:literal, $revision:ident) => {
        mod $name {
            use crate::stories::{self, Client, Library};

            const CLIENT: Client =
                Client { library: Library::$library, era: $era, revision: stories::$revision };

            #[tokio::test]
            async fn a_stdio_server_serves_one_client_after_another() {
                CLIENT.with_stdio().await;
            }

            #[tokio::test]
            async fn a_server_with_sessions_serves_one_client_after_another() {
                CLIENT.with_http().await;
            }

            #[tokio::test]
            async fn two_servers_are_merged_by_prefixes() {
                CLIENT.with_both().await;
            }

            #[tokio::test]
            async fn a_server_of_this_crate_serves_as_if_there_were_no_gateway() {
                CLIENT.with_a_server_of_this_crate().await;
            }
        }
    };
}

for_each_client!(through_the_gateway);

#[tokio::test]
async fn check_tells_what_each_server_is_and_has() {
    let http = cast::arithmetic_over_http(0).await;
    let (counter, nosession) =
        (cast::typescript("counter.mjs").await, cast::typescript("nosession.mjs").await);
    let modern = cast::modern().await;
    let checked = Config::of(&json!({
        "math": cast::stdio("arithmetic.py", &[]),
        "flood": cast::stdio("flood.py", &[]),
        "far": cast::http(&http),
        "counter": cast::http(&counter),
        "nosession": cast::http(&nosession),
        "modern": cast::http(&modern),
    }))
    .check()
    .await;
    let said = script::said(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for (server, transport, name, revision, counts) in [
        ("math", "stdio", "arithmetic", "2025-11-25", ["5", "1", "1", "1"]),
        ("flood", "stdio", "flood", "2025-11-25", ["1", "0", "0", "0"]),
        ("far", "http", "arithmetic", "2025-11-25", ["5", "1", "1", "1"]),
        ("counter", "http", "counter", "2025-11-25", ["2", "0", "0", "0"]),
        ("nosession", "http", "nosession", "2025-11-25", ["1", "0", "0", "0"]),
        ("modern", "http", "modern", "2026-07-28", ["3", "0", "0", "0"]),
    ] {
        let words = line(said.lines(), server);
        assert_eq!(words[..3], [server, transport, name], "{said}");
        assert_eq!(words[words.len() - 5..], [[revision].as_slice(), &counts].concat(), "{said}");
    }
    for tool in ["math-add", "math-multiply", "far-add", "counter-count", "modern-revision"] {
        assert!(said.split_whitespace().any(|word| word == tool), "{tool} is not in {said}");
    }
}

#[tokio::test]
async fn check_fails_when_a_server_is_down_and_tells_why() {
    let gone = cast::typescript("nosession.mjs").await;
    let url = gone.url().to_owned();
    gone.ends_by("KILL").await;
    let checked = Config::of(&json!({
        "math": cast::stdio("arithmetic.py", &[]),
        "gone": { "url": url },
        "broken": cast::stdio("crasher.py", &["--crash-on-start"]),
        "missing": { "command": "/no/such/program" },
    }))
    .check()
    .await;
    let said = script::said(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("math-add"), "{said}");
    for server in ["gone", "broken", "missing"] {
        let words = line(said.lines(), server);
        assert_eq!(words[2], "down:", "{said}");
        assert!(words.len() > 3, "no reason: {said}");
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_explained() {
    let far = json!({ "url": "http://127.0.0.1:1/mcp" });
    for (text, reason) in [
        ("{".to_owned(), "not JSON"),
        ("{}".to_owned(), "mcpServers"),
        (json!({ "mcpServers": { "a": {} } }).to_string(), "line 1, server \"a\": there is neither"),
        (json!({ "mcpServers": { "a/b": far } }).to_string(), "line 1, server \"a/b\": a name has"),
    ] {
        let run = script::run(Config::new(&text).command()).await;
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    for arguments in [&[][..], &["/no/such/file"], &["--check"], &["a.json", "b.json"], &["a.json", "--port"]]
    {
        let mut command = Command::new(server::example("gateway"));
        let run = script::run({
            command.args(arguments);
            command
        })
        .await;
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {}", script::said(&run));
    }
}

#[tokio::test]
async fn warnings_do_not_keep_it_from_running() {
    let mut math = cast::stdio("arithmetic.py", &[]);
    math["timeout"] = json!(5);
    let checked = Config::of(&json!({ "math": math, "off": { "disabled": true } })).check().await;
    let warnings = String::from_utf8_lossy(&checked.stderr);
    assert!(warnings.contains("server \"math\": \"timeout\" is ignored"), "{warnings}");
    assert!(warnings.contains("server \"off\": the server is disabled"), "{warnings}");
    assert_eq!(checked.status.code(), Some(0), "{warnings}");
}

/// Gateways can stand in front of each other: the tools of `inner` are named `b-…` by itself.
async fn two_levels(inner: &Value) -> (ExampleServer, Value) {
    let inner = gateway(json!({ "b": inner })).await;
    let servers = json!({ "a": cast::http(&inner), "a-b": cast::stdio("arithmetic.py", &[]) });
    (inner, servers)
}

#[tokio::test]
async fn names_that_collide_are_refused_at_start_up() {
    let (_inner, servers) = two_levels(&cast::stdio("arithmetic.py", &[])).await;
    let config = Config::of(&servers);
    for arguments in [["--check"].as_slice(), &["--addr", "127.0.0.1:0"]] {
        let mut command = config.command();
        command.args(arguments);
        let run = script::run(command).await;
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(r#"of "a" and of "a-b""#), "{said}");
    }
}

#[tokio::test]
async fn a_server_may_be_named_as_the_beginning_of_anothers_names() {
    let counter = cast::typescript("counter.mjs").await;
    let (_inner, servers) = two_levels(&cast::http(&counter)).await;
    let gateway = gateway(servers).await;
    let client = connect(gateway.url()).await;
    let tools = client.tools().await;
    for tool in ["a-b-count", "a-b-add"] {
        assert!(tools.contains(&tool.to_owned()), "{tool} is not among {tools:?}");
    }
    assert_eq!(number(&client, "a-b-count").await, 1);
    let answer = client.call("a-b-add", json!({ "a": 10, "b": 20 })).await.expect("a result");
    assert_eq!(rmcp_client::text(&answer), "30");
    client.leave().await;
}

#[tokio::test]
async fn one_server_that_is_down_does_not_take_the_others_with_it() {
    let gateway = gateway(json!({
        "broken": cast::stdio("crasher.py", &["--crash-on-start"]),
        "math": cast::stdio("arithmetic.py", &[]),
    }))
    .await;
    let said = || gateway.said().iter().map(String::as_str);
    assert_eq!(line(said(), "broken")[2], "down:");
    assert_eq!(line(said(), "math")[2], "arithmetic");

    let client = connect(gateway.url()).await;
    let tools = client.tools().await;
    assert!(tools.contains(&"math-add".to_owned()), "{tools:?}");
    let answer = client.call("math-add", json!({ "a": 10, "b": 20 })).await.expect("a result");
    assert_eq!(rmcp_client::text(&answer), "30");
    assert!(is_error(&client.call("broken-ok", json!({})).await));
    client.leave().await;
}

#[tokio::test]
async fn a_child_that_is_killed_during_calls_is_there_for_the_next() {
    let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
    let mut client = connect(gateway.url()).await;
    let first = number(&client, "math-whoami").await;

    let call = client.start("math-slow_progress", json!({ "steps": 10_000 })).await;
    client.progress.recv().await.expect("the call is under way");
    kill(first).await;
    let answer = timeout(LIMIT, call.await_response()).await.expect("the call ends with its server");
    let lost = match answer {
        Ok(rmcp::model::ServerResult::CallToolResult(result)) => is_error(&Ok(result)),
        Ok(_) => false,
        Err(error) => is_error(&Err(error)),
    };
    assert!(lost, "the call ended as if it had been answered");

    let second = number(&client, "math-whoami").await;
    assert_ne!(first, second);
    client.leave().await;
}

#[tokio::test]
async fn a_server_with_sessions_may_be_restarted() {
    let http = cast::arithmetic_over_http(0).await;
    let port = port(&http);
    let gateway = gateway(json!({ "math": cast::http(&http) })).await;
    let client = connect(gateway.url()).await;
    let first = number(&client, "math-whoami").await;

    http.ends_by("KILL").await;
    assert!(is_error(&client.call("math-whoami", json!({})).await));
    // The new process knows no session of the old one.
    let _http = cast::arithmetic_over_http(port).await;
    let second = number(&client, "math-whoami").await;
    assert_ne!(first, second);
    client.leave().await;
}

#[tokio::test]
async fn a_session_outlives_the_clients() {
    let counter = cast::typescript("counter.mjs").await;
    let gateway = gateway(json!({ "counter": cast::http(&counter) })).await;
    for count in 1..=3 {
        let client = connect(gateway.url()).await;
        assert_eq!(number(&client, "counter-count").await, count);
        client.leave().await;
    }
}

#[tokio::test]
async fn a_session_that_the_server_forgets_is_begun_anew() {
    let forgetful = cast::typescript("forgetful.mjs").await;
    let gateway = gateway(json!({ "forgetful": cast::http(&forgetful) })).await;
    let client = connect(gateway.url()).await;
    for _ in 0..3 {
        assert_eq!(number(&client, "forgetful-count").await, 1);
    }
    client.leave().await;
}

#[tokio::test]
async fn no_child_is_left_when_it_ends() {
    for signal in ["TERM", "INT"] {
        let gateway = gateway(json!({
            "math": cast::stdio("arithmetic.py", &[]),
            "crasher": cast::stdio("crasher.py", &[]),
            "stubborn": cast::stdio("silent.py", &["--stubborn"]),
        }))
        .await;
        let client = connect(gateway.url()).await;
        let children = [
            number(&client, "math-whoami").await,
            // A child of the child is ended as well.
            number(&client, "crasher-grandchild").await,
        ];
        assert!(children.into_iter().all(runs));
        client.leave().await;
        let ended = gateway.ends_by(signal).await;
        assert_eq!(ended.code(), Some(0), "{signal}");
        until("all children have ended", async || !children.into_iter().any(runs)).await;
    }
}

#[tokio::test]
async fn a_call_under_way_is_answered_before_it_ends() {
    let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
    let mut client = connect(gateway.url()).await;
    let call = client.start("math-slow_progress", json!({ "steps": 20 })).await;
    client.progress.recv().await.expect("the call is under way");
    let (ended, answer) = tokio::join!(gateway.ends_by("TERM"), call.await_response());
    assert_eq!(ended.code(), Some(0));
    let Ok(rmcp::model::ServerResult::CallToolResult(result)) = answer else { panic!("{answer:?}") };
    assert_eq!(rmcp_client::text(&result), "did 20 steps");
}
