//! Messages about the configuration and the servers.

use serde_json::{Value, json};
use test_support::{rmcp_client, script, server::ExampleServer, setup, upstreams as cast};

use super::support::{Config, connect, gateway, line, number, program};

#[tokio::test]
async fn check_tells_what_each_server_is_and_has() {
    let http = cast::arithmetic_over_http(0).await;
    let (counter, nosession) =
        (cast::typescript("counter.mjs", &[]).await, cast::typescript("nosession.mjs", &[]).await);
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
    let gone = cast::typescript("nosession.mjs", &[]).await;
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
        assert_eq!(words[2], "down", "{said}");
        assert!(words.len() > 3, "no reason: {said}");
    }
}

#[tokio::test]
async fn check_tells_what_is_missing_to_start_a_server() {
    let shell = |script: &str| json!({ "command": "sh", "args": ["-c", script] });
    let mut old = shell("echo 'listening on port 3000' >&2; exec sleep 1000");
    old["startup_timeout_sec"] = json!(1);
    let checked = Config::of(&json!({
        "key": shell("echo 'Error: API_KEY is not set' >&2; exit 1"),
        "usage": shell("echo 'usage: server DIRECTORY'; exit 2"),
        "typo": { "command": "npxx", "args": ["-y", "files-server"] },
        "line": { "command": "npx -y files-server" },
        "place": { "command": "sh", "cwd": "/no/such/directory" },
        "old": old,
    }))
    .check()
    .await;
    let said = script::said(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    for (server, reason) in [
        ("key", "cannot be opened: it ended with exit status: 1: Error: API_KEY is not set"),
        ("usage", "cannot be opened: it ended with exit status: 2: usage: server DIRECTORY"),
        ("typo", r#"cannot be opened: it cannot be started: there is no such program: "npxx""#),
        ("line", "\"npx -y files-server\"; arguments are passed separately, not as a part of the command"),
        ("place", "its working directory does not exist: /no/such/directory"),
        ("old", "did not open within 1s, which \"startup_timeout_sec\" sets: listening on port 3000"),
    ] {
        let words = line(said.lines(), server).join(" ");
        assert!(words.contains(" down ") && words.ends_with(reason), "{server}: {said}");
    }
}

/// Has a tool, but cannot list its prompts.
const FAILS_TO_LIST: &str = "
import json, sys
about = {'protocolVersion': '2025-11-25', 'capabilities': {'tools': {}, 'prompts': {}}, 'serverInfo': {'name': 's', 'version': '1'}}
for line in sys.stdin:
    request = json.loads(line)
    said = {'initialize': {'result': about}, 'tools/list': {'result': {'tools': [{'name': 'a', 'inputSchema': {}}]}}}
    said = said.get(request['method'], {'error': {'code': -32603, 'message': 'the key is not valid'}})
    if 'id' in request:
        print(json.dumps({'jsonrpc': '2.0', 'id': request['id'], **said}), flush=True)
";

#[tokio::test]
async fn a_server_that_fails_to_return_a_list_is_up_and_check_tells_so() {
    let servers = json!({ "one": { "command": "python3", "args": ["-c", FAILS_TO_LIST] } });
    let checked = Config::of(&servers).check().await;
    let said = script::said(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    let words = line(said.lines(), "one").join(" ");
    assert_eq!(words, "one stdio s 1 2025-11-25 1 0 0 0 prompts/list: the key is not valid", "{said}");
}

#[tokio::test]
async fn a_wrong_configuration_is_explained() {
    let far = json!({ "url": "http://127.0.0.1:1/mcp" });
    for (text, reason) in [
        ("{".to_owned(), ":1:1: not valid JSON"),
        ("{}".to_owned(), "mcpServers"),
        (
            json!({ "mcpServers": { "a": {} } }).to_string(),
            ":1:20: mcpServers.a: needs a \"command\" or a \"url\"",
        ),
        (
            json!({ "mcpServers": { "..": far } }).to_string(),
            ":1:21: mcpServers[\"..\"]: a server's name has",
        ),
    ] {
        let run = script::run(Config::new(&text).command()).await;
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    for arguments in [&[][..], &["/no/such/file"], &["--check"], &["a.json", "b.json"], &["a.json", "--port"]]
    {
        let mut command = program();
        let run = script::run({
            command.args(arguments);
            command
        })
        .await;
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {}", script::said(&run));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_options_is_told_before_any_server_is_started() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let started = setup::scratch().join(format!("started-{}", std::process::id()));
    let starts = json!({ "command": "sh", "args": ["-c", "touch \"$0\"; sleep 1000", started] });
    let config = Config::of(&json!({ "one": starts }));
    for (arguments, reason) in [
        (["--addr", taken.as_str()], "choose another HOST:PORT with --addr"),
        (["--allow-host", "a b"], "is neither a host"),
    ] {
        let mut command = config.command();
        command.args(arguments);
        let run = script::run(command).await;
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(!started.exists(), "{arguments:?}");
    }
}

#[tokio::test]
async fn warnings_do_not_keep_it_from_running() {
    let mut math = cast::stdio("arithmetic.py", &[]);
    math["sandbox"] = json!(5);
    let servers = json!({
        "math": math,
        "off": { "disabled": true },
        "asks": { "command": "c", "env": { "KEY": "${input:key}" } },
        "header": { "url": "http://127.0.0.1:1/mcp", "headers": { "X": "a\nb" } },
    });
    let checked = Config::of(&servers).check().await;
    let warnings = String::from_utf8_lossy(&checked.stderr);
    assert!(warnings.contains(": mcpServers.math.sandbox: ignored\n"), "{warnings}");
    for server in ["mcpServers.asks.env.KEY: ", "\"header\""] {
        let line = warnings.lines().find(|line| line.contains(server));
        assert!(line.is_some_and(|line| line.ends_with("the server is left out")), "{server}: {warnings}");
    }
    assert!(warnings.contains(": mcpServers.off: the server is disabled"), "{warnings}");
    assert_eq!(checked.status.code(), Some(0), "{warnings}");
}

#[tokio::test]
async fn help_and_version_go_to_the_standard_output() {
    for (arguments, expected) in [
        (["--help"].as_slice(), "Usage: mcp-gateway [OPTIONS] <CONFIG>"),
        (&["-h"], "--caller-header"),
        (&["--check", "--version"], concat!("mcp-gateway ", env!("CARGO_PKG_VERSION"))),
    ] {
        let mut command = program();
        command.args(arguments);
        let run = script::run(command).await;
        assert_eq!((run.status.code(), run.stderr.as_slice()), (Some(0), b"".as_slice()));
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn tools_that_are_turned_off_are_not_shown() {
    let mut math = cast::stdio("arithmetic.py", &[]);
    math["disabledTools"] = json!(["multiply"]);
    let mut far = cast::stdio("arithmetic.py", &[]);
    far["includeTools"] = json!(["add", "multiply"]);
    let checked = Config::of(&json!({ "math": math, "far": far })).check().await;
    let said = script::said(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    let count = |server| line(said.lines(), server)[5].to_owned();
    assert_eq!((count("math"), count("far")), ("4".to_owned(), "2".to_owned()), "{said}");
    let has = |tool| said.split_whitespace().any(|word| word == tool);
    for (tool, is_served) in
        [("math-add", true), ("math-multiply", false), ("far-multiply", true), ("far-whoami", false)]
    {
        assert_eq!(has(tool), is_served, "{tool}: {said}");
    }
}

/// Gateways can be chained: the tools of `inner` already have the prefix `b-`.
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
    let counter = cast::typescript("counter.mjs", &[]).await;
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
