//! Which servers are served at which path, to whom, and while servers restart.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{Response, body::Incoming};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use test_support::{
    server::{self, ExampleServer, free_port},
    setup, upstreams as cast,
    wait::{LIMIT, until},
};
use tokio::{process::Command, time::timeout};

use super::support::{Config, gateway, line};

const MISSING: &str = "mcp-stateless/missing";
pub(super) const VERSION: &str = "2026-07-28";

/// The tools of `quickstart`.
const TOOLS: [&str; 4] = ["add", "multiply", "echo", "countdown"];

/// The same tools with prefixes.
fn prefixed(servers: &[&str]) -> Vec<String> {
    servers.iter().flat_map(|server| TOOLS.map(|tool| format!("{server}-{tool}"))).collect()
}

pub(super) async fn open(url: &str, headers: &[(&str, &str)], message: &Value) -> Response<Incoming> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::post(url.parse::<Uri>().expect("a URL"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(message.to_string()))).expect("a request");
    client.request(request).await.expect("an answer")
}

/// Returns the status and the JSON-RPC message of an answer to a client of an earlier revision.
pub(super) async fn post(
    url: &str,
    headers: &[(&str, &str)],
    method: &str,
    params: Value,
) -> (StatusCode, Value) {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let response = open(url, headers, &message).await;
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let message = serde_json::from_slice(&body);
    (status, message.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body))))
}

/// Returns the stream of a client that listens to changes of tools.
async fn listen(url: &str, headers: &[(&str, &str)]) -> Incoming {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"notifications": {"toolsListChanged": true}, "_meta": meta});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params});
    let own = [("mcp-protocol-version", VERSION), ("mcp-method", "subscriptions/listen")];
    let headers: Vec<_> = headers.iter().copied().chain(own).collect();
    open(url, &headers, &message).await.into_body()
}

pub(super) async fn tools(url: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let (_, answer) = post(url, headers, "tools/list", json!({})).await;
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("no list: {answer}"));
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// Returns the text of a tool's answer, or the message of an error.
pub(super) async fn call(url: &str, headers: &[(&str, &str)], tool: &str) -> String {
    let params = json!({"name": tool, "arguments": {"a": 10, "b": 20}});
    let (_, answer) = post(url, headers, "tools/call", params).await;
    let text = answer["result"]["content"][0]["text"].as_str().or(answer["error"]["message"].as_str());
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

#[tokio::test]
async fn paths_may_end_with_a_slash() {
    let quickstart = ExampleServer::start("quickstart").await;
    let gateway = gateway(json!({ "one": cast::http(&quickstart) })).await;
    for path in ["", "/", "/one", "/one/"] {
        let url = format!("{}{path}", gateway.url());
        let tool = if path.contains("one") { "add" } else { "one-add" };
        assert!(tools(&url, &[]).await.contains(&tool.to_owned()), "{url}");
        assert_eq!(call(&url, &[], tool).await, "30", "{url}");
    }
    let (status, answer) = post(&format!("{}/two", gateway.url()), &[], "tools/list", json!({})).await;
    assert_eq!(status, 404);
    assert_eq!(answer["error"]["message"], "there is no server \"two\"; available: one", "{answer}");
}

#[tokio::test]
async fn a_header_chooses_servers() {
    let quickstart = ExampleServer::start("quickstart").await;
    let entry = || cast::http(&quickstart);
    let gateway = gateway(json!({ "c": entry(), "math_a": entry(), "math_b": entry() })).await;
    let url = gateway.url();
    let chosen = |names| [("x-mcp-servers", names)];

    // One server, with plain and with prefixed names.
    for names in ["math_a", " Math_A ,", "math_a,math_a"] {
        assert_eq!(tools(url, &chosen(names)).await, TOOLS, "{names}");
    }
    for tool in ["add", "math_a-add"] {
        assert_eq!(call(url, &chosen("math_a"), tool).await, "30");
    }
    for tool in ["math_b-add", "c-add"] {
        assert!(call(url, &chosen("math_a"), tool).await.contains("Unknown tool"), "{tool}");
    }
    // Several servers, and no others.
    assert_eq!(tools(url, &chosen("math_b, math_a")).await, prefixed(&["math_a", "math_b"]));
    assert_eq!(call(url, &chosen("math_b,math_a"), "math_b-add").await, "30");
    assert!(call(url, &chosen("math_b,math_a"), "c-add").await.contains("Unknown tool"));
    // All servers, if no name is given.
    for headers in [&[][..], &chosen("")] {
        assert_eq!(tools(url, headers).await, prefixed(&["c", "math_a", "math_b"]));
    }
    let (status, answer) = post(url, &chosen("math_a,planets"), "tools/list", json!({})).await;
    assert_eq!(status, 400);
    let message = answer["error"]["message"].as_str().expect("a message");
    assert_eq!(message, "there is no server \"planets\"; available: c, math_a, math_b");
}

#[tokio::test]
async fn tools_that_are_turned_off_are_neither_listed_nor_called() {
    let quickstart = ExampleServer::start("quickstart").await;
    let (mut denied, mut allowed) = (cast::http(&quickstart), cast::http(&quickstart));
    denied["disabledTools"] = json!(["add", "echo", "countdown"]);
    allowed["includeTools"] = json!(["multiply"]);
    let gateway = gateway(json!({ "a": denied, "b": allowed })).await;
    assert_eq!(tools(gateway.url(), &[]).await, ["a-multiply", "b-multiply"]);
    assert_eq!(tools(&format!("{}/a", gateway.url()), &[]).await, ["multiply"]);
    for (path, headers, tool) in [
        ("", &[][..], "a-add"),
        ("", &[], "b-add"),
        ("/a", &[], "add"),
        ("/b", &[], "add"),
        ("", &[("x-mcp-servers", "a")], "add"),
        ("", &[("x-mcp-servers", "a")], "a-add"),
        ("", &[("x-mcp-servers", "a,b")], "b-add"),
    ] {
        let url = format!("{}{path}", gateway.url());
        assert!(call(&url, headers, tool).await.contains("Unknown tool"), "{url} {tool}");
    }
}

#[tokio::test]
async fn callers_who_send_different_credentials_have_different_sessions() {
    let config = Config::of(&json!({ "math": cast::stdio("arithmetic.py", &[]) }));
    let mut command = config.command();
    command.args(["--addr", "127.0.0.1:0", "--caller-header", "X-User"]).env("RUST_LOG", "off");
    let gateway = ExampleServer::run(command).await;
    let whoami = async |headers: &[(&str, &str)]| call(gateway.url(), headers, "math-whoami").await;

    let nobody = whoami(&[]).await;
    assert_eq!(whoami(&[("x-request-id", "7")]).await, nobody);
    let ada = whoami(&[("authorization", "Bearer ada")]).await;
    assert_ne!(ada, nobody);
    assert_eq!(whoami(&[("authorization", "Bearer ada")]).await, ada);
    let bob = whoami(&[("x-api-key", "Bearer ada")]).await;
    assert!(bob != ada && bob != nobody, "{bob}");
    // If the named header is present, no other counts.
    let named = whoami(&[("x-user", "ada"), ("authorization", "Bearer 1")]).await;
    assert!(![&ada, &bob, &nobody].contains(&&named), "{named}");
    assert_eq!(whoami(&[("x-user", "ada"), ("authorization", "Bearer 2")]).await, named);
}

#[tokio::test]
async fn a_caller_who_was_never_seen_is_listed_what_all_servers_have() {
    let here = ExampleServer::start("quickstart").await;
    let math = || cast::stdio("arithmetic.py", &[]);
    let gateway = gateway(json!({ "math": math(), "other": math(), "here": cast::http(&here) })).await;
    for names in ["", "math, here, other"] {
        let headers = [("authorization", "Bearer sk-1234"), ("x-mcp-servers", names)];
        let listed = tools(gateway.url(), &headers).await;
        for tool in ["math-add", "math-multiply", "other-add", "here-add"] {
            assert!(listed.contains(&tool.to_owned()), "{tool} is not in {listed:?}");
        }
        assert_eq!(call(gateway.url(), &headers, "math-add").await, "30");
    }
}

#[tokio::test]
async fn those_who_listen_to_chosen_servers_are_told_of_the_end_whatever_others_have_chosen_since() {
    let quickstart = ExampleServer::start("quickstart").await;
    let names: Vec<_> = (0..8).map(|number| format!("s{number}")).collect();
    let servers: serde_json::Map<_, _> =
        names.iter().map(|name| (name.clone(), cast::http(&quickstart))).collect();
    let gateway = gateway(servers.into()).await;
    let mut stream = listen(gateway.url(), &[("x-mcp-servers", "s0,s1")]).await;
    // Each selection presents itself with its servers' instructions; more are created than are
    // cached.
    for choice in (4_u32..).step_by(4).take(60).chain((5..).step_by(4).take(20)) {
        let chosen: Vec<_> = (0..8).filter(|bit| choice >> bit & 1 == 1).map(|bit| &*names[bit]).collect();
        let (status, _) =
            post(gateway.url(), &[("x-mcp-servers", &chosen.join(","))], "ping", json!({})).await;
        assert_eq!(status, 200);
    }
    let (ended, end) = tokio::join!(gateway.ends_by("TERM"), async {
        let mut heard = String::new();
        while let Some(Ok(frame)) = timeout(LIMIT, stream.frame()).await.expect("the stream ends") {
            heard += &String::from_utf8_lossy(frame.data_ref().expect("data"));
        }
        heard
    });
    assert_eq!(ended.code(), Some(0));
    assert!(end.contains(r#""resultType":"complete""#), "{end}");
}

#[tokio::test]
async fn bodies_are_as_large_as_the_option_allows() {
    let quickstart = ExampleServer::start("quickstart").await;
    let config = Config::of(&json!({ "one": cast::http(&quickstart) }));
    for (option, size, expected) in [
        (&["--max-body", "6MiB"], 5 << 20, StatusCode::OK),
        // If a refused body exceeds the socket's buffer, the client may miss its answer.
        (&["--max-body", "1KiB"], 2 << 10, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let mut command = config.command();
        command.args(["--addr", "127.0.0.1:0"]).args(option).env("RUST_LOG", "off");
        let gateway = ExampleServer::run(command).await;
        // The gateway itself answers.
        let (status, _) = post(gateway.url(), &[], "ping", json!({ "padding": "x".repeat(size) })).await;
        assert_eq!(status, expected, "{option:?}");
    }
}

#[tokio::test]
async fn clients_within_a_web_page_are_served_if_its_origin_is() {
    let quickstart = ExampleServer::start("quickstart").await;
    let config = Config::of(&json!({ "one": cast::http(&quickstart) }));
    let mut command = config.command();
    command.args(["--addr", "127.0.0.1:0", "--allow-origin", "https://app.example.com"]);
    command.env("RUST_LOG", "off");
    let gateway = ExampleServer::run(command).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    for (origin, is_served) in
        [("http://localhost:6274", true), ("https://app.example.com", true), ("https://example.com", false)]
    {
        let preflight = Request::options(gateway.url())
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,mcp-protocol-version")
            .body(Full::<Bytes>::default());
        let preflight = client.request(preflight.expect("a request")).await.expect("an answer");
        assert_eq!(preflight.status().is_success(), is_served, "{origin}");
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let answer = open(gateway.url(), &[("origin", origin)], &message).await;
        let allowed = answer.headers().get("access-control-allow-origin").and_then(|it| it.to_str().ok());
        assert_eq!(answer.status().is_success(), is_served, "{origin}");
        assert_eq!(allowed, is_served.then_some(origin));
    }
}

#[tokio::test]
async fn a_refused_host_is_logged_with_the_option_that_accepts_it() {
    let quickstart = ExampleServer::start("quickstart").await;
    let config = Config::of(&json!({ "one": cast::http(&quickstart) }));
    let path = setup::scratch().join(format!("refused-{}", std::process::id()));
    let mut command = config.command();
    command.args(["--addr", "127.0.0.1:0"]).stderr(std::fs::File::create(&path).expect("a file"));
    let gateway = ExampleServer::run(command).await;
    for host in ["mcp.example.com", "other.example.com"] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        assert_eq!(open(gateway.url(), &[("host", host)], &message).await.status(), 403);
    }
    gateway.ends_by("TERM").await;
    let log = std::fs::read_to_string(&path).expect("a log");
    std::fs::remove_file(&path).expect("removed");
    let explained: Vec<_> = log.lines().filter(|line| line.contains("--allow-host")).collect();
    assert!(matches!(explained[..], [line] if line.contains("mcp.example.com")), "{log}");
}

async fn quickstart_at(port: u16) -> ExampleServer {
    let mut command = Command::new(server::example("quickstart"));
    command.args(["--addr", &format!("127.0.0.1:{port}")]);
    ExampleServer::run(command).await
}

#[tokio::test]
async fn a_server_that_comes_later_gets_its_name_and_those_who_listen_hear_of_it() {
    let (port, here) = (free_port(), ExampleServer::start("quickstart").await);
    let late = json!({ "url": format!("http://127.0.0.1:{port}/mcp") });
    let gateway = gateway(json!({ "here": cast::http(&here), "late": late })).await;
    let url = gateway.url();
    assert_eq!(line(gateway.said().iter().map(String::as_str), "late")[2], "down");
    let name = async |url: &str| {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        post(url, &[], "initialize", params).await.1["result"]["serverInfo"]["name"].clone()
    };
    let alone = format!("{url}/late");
    assert_eq!(name(&alone).await, "late");

    let mut stream = listen(url, &[]).await;
    let (_, listed) = post(url, &[], "tools/list", json!({})).await;
    assert_eq!(listed["result"]["_meta"][MISSING][0]["name"], "late", "{listed}");

    let _late = quickstart_at(port).await;
    let mut heard = String::new();
    while !heard.contains("notifications/tools/list_changed") {
        let frame = timeout(LIMIT, stream.frame()).await.unwrap_or_else(|_| panic!("heard only {heard}"));
        let frame = frame.expect("the stream goes on").expect("the connection holds");
        heard += &String::from_utf8_lossy(frame.data_ref().expect("data"));
    }
    assert_eq!(tools(url, &[]).await, prefixed(&["here", "late"]));
    until("the server has the name that it gives itself", async || name(&alone).await == "quickstart").await;
}

#[tokio::test]
async fn a_server_that_hangs_is_named_and_holds_up_no_list() {
    let here = ExampleServer::start("quickstart").await;
    let gateway = gateway(json!({ "hung": cast::stdio("silent.py", &[]), "here": cast::http(&here) })).await;
    for _ in 0..3 {
        let start = Instant::now();
        let (_, listed) = post(gateway.url(), &[], "tools/list", json!({})).await;
        // A second is expected, but others use this machine as well.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(listed["result"]["tools"][0]["name"], "here-add", "{listed}");
        assert_eq!(listed["result"]["_meta"][MISSING][0]["name"], "hung", "{listed}");
    }
}

#[tokio::test]
async fn equal_uris_of_two_servers_are_told_and_each_can_be_read() {
    let math = || cast::stdio("arithmetic.py", &[]);
    let gateway = gateway(json!({ "a": math(), "b": math() })).await;
    let (_, listed) = post(gateway.url(), &[], "resources/list", json!({})).await;
    let hidden = json!([{"name": "b", "item": "math://constants/pi", "by": "a"}]);
    assert_eq!(listed["result"]["_meta"]["mcp-stateless/hidden"], hidden, "{listed}");
    for (path, headers) in [("", &[][..]), ("/b", &[]), ("", &[("x-mcp-servers", "b")])] {
        let params = json!({"uri": "math://constants/pi"});
        let (_, read) = post(&format!("{}{path}", gateway.url()), headers, "resources/read", params).await;
        assert!(read["result"]["contents"][0]["text"].is_string(), "{read}");
    }
}
