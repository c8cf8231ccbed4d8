//! Upstreams that fail in various ways.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future;
use mcp_stateless_upstream::{Upstream, UpstreamBuilder, UpstreamError};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::cast::{Member, eventually, is_alive, processes_with, python};
use super::gateway::{Era, Gateway, Params, error, text};
use super::observed::subscribe;

#[tokio::test]
async fn a_crash_fails_the_calls_under_way_and_the_next_call_works() {
    let gateway = Gateway::new(python("crasher"));
    let (ada, alan) = (gateway.client(Era::Legacy, "ada"), gateway.client(Era::Modern, "alan"));
    let grandchild = ada.tool("grandchild", json!({})).await;
    assert!(is_alive(&grandchild));
    let unharmed = alan.tool("grandchild", json!({})).await;
    let crash = async {
        eventually("a call is under way", async || gateway.upstream.stats().in_flight == 1).await;
        ada.call("crash", json!({})).await
    };
    let (hanging, crashed) = future::join(ada.call("hang", json!({})), crash).await;
    for answer in [hanging, crashed] {
        let expected =
            "The upstream \"crasher\" ended the call without an answer: it ended with exit status: 3";
        assert_eq!(error(&answer), (-32_603, expected.to_owned()));
    }
    eventually("the grandchild has ended", async || !is_alive(&grandchild)).await;
    assert!(is_alive(&unharmed));
    assert_eq!(ada.tool("ok", json!({})).await, "ok");
    assert_eq!(gateway.upstream.stats().reopened, 1);
}

#[tokio::test]
async fn an_upstream_that_does_not_start_is_said_so_and_is_not_tried_at_every_call() {
    let gateway = Gateway::new(python("crasher").arg("--crash-on-start"));
    let client = gateway.client(Era::Legacy, "ada");
    for _ in 0..50 {
        let answer = client.ask("tools/list", Params(json!({}))).await;
        let expected = "The upstream \"crasher\" is not available: it ended with exit status: 3";
        assert_eq!(error(&answer), (-32_603, expected.to_owned()));
    }
    let stats = gateway.upstream.stats();
    assert!(stats.failed < 10, "{stats:?}");

    let nothing = Upstream::stdio("/nonexistent/program").build().expect("valid settings");
    assert!(matches!(nothing.probe().await, Err(UpstreamError::Open { .. })));
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_given_up_and_ended() {
    let marker = format!("--marker-silent-{}", std::process::id());
    let silent = python("silent").arg("--stubborn").arg(&*marker).open_timeout(Duration::from_millis(500));
    let gateway = Gateway::new(silent);
    let begun = Instant::now();
    let opened = gateway.upstream.probe().await;
    assert!(matches!(opened, Err(UpstreamError::OpenTimeout { .. })), "{opened:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    eventually("no child is left", async || processes_with(&marker).is_empty()).await;
}

#[tokio::test]
async fn a_flood_of_log_messages_is_bounded_and_the_answer_comes() {
    let gateway = Gateway::new(python("flood"));
    let client = gateway.client(Era::Legacy, "ada");
    let mut stream = client.open("tools/call", Params::call("flood", json!({"n": 20_000}))).await;
    // The stream is not read yet.
    eventually("log messages are dropped", async || gateway.upstream.stats().dropped_logs > 0).await;
    let mut messages = 0;
    let mut last = None;
    while let Some(message) = stream.next().await {
        messages += 1;
        last = Some(message);
    }
    assert_eq!(text(&last.expect("an answer")), "20000");
    assert_eq!(
        messages + gateway.upstream.stats().dropped_logs,
        20_001,
        "some were neither sent nor counted"
    );
}

#[tokio::test]
async fn an_upstream_that_is_gone_fails_its_calls_and_its_return_is_noticed() {
    let member = Member::node("counter", &[]).await;
    let gateway = Gateway::new(member.upstream());
    let client = gateway.client(Era::Legacy, "ada");
    assert_eq!(client.tool("count", json!({})).await, "1");
    let port = member.port().to_string();
    member.kill().await;
    assert_eq!(error(&client.call("count", json!({})).await).0, -32_603);
    let _again = Member::node("counter", &["--port", &port]).await;
    eventually("calls succeed again", async || {
        let answer = client.call("count", json!({})).await;
        answer["result"].is_object() && text(&answer) == "1"
    })
    .await;
}

/// A child whose tool `env` returns its environment, and whose tool `end` writes an error and exits.
fn script() -> UpstreamBuilder {
    let script = "
import json, os, sys
about = {'protocolVersion': '2025-11-25', 'capabilities': {'tools': {}}, 'serverInfo': {'name': 's', 'version': '1'}}
for line in sys.stdin:
    request = json.loads(line)
    name = request.get('params', {}).get('name')
    if name == 'end':
        print('secret: out of luck', file=sys.stderr, flush=True)
        os._exit(7)
    text = json.dumps(dict(os.environ))
    said = {'result': {'content': [{'type': 'text', 'text': text}]}}
    if request['method'] == 'initialize':
        said = {'result': about}
    if request['method'] == 'server/discover':
        said = {'error': {'code': -32601, 'message': 'no'}}
    if 'id' in request:
        print(json.dumps({'jsonrpc': '2.0', 'id': request['id'], **said}), flush=True)
";
    Upstream::stdio("python3").args(["-c", script]).name("script")
}

#[tokio::test]
async fn a_child_inherits_what_is_harmless_and_what_was_named() {
    let env = async |upstream: UpstreamBuilder| -> serde_json::Value {
        let gateway = Gateway::new(upstream);
        let text = gateway.client(Era::Legacy, "ada").tool("env", json!({})).await;
        serde_json::from_str(&text).expect("JSON")
    };
    let seen = env(script().env("NAMED", "1")).await;
    assert_eq!((&seen["NAMED"], seen["PATH"].is_string()), (&json!("1"), true), "{seen}");
    // A variable of this process that no child inherits by default; under Cargo there are several.
    let mut ours =
        std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    let ours = ours.find(|(name, _)| seen[name.as_str()].is_null());
    let (name, value) = ours.unwrap_or_else(|| panic!("everything is inherited: {seen}"));
    let seen = env(script().inherit_env([&*name, "NOT_SET"])).await;
    assert_eq!(seen[&name], value);
}

/// Captures the log of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
        subscribe(subscriber.with_writer(move || log.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

#[tokio::test]
async fn every_end_of_a_child_is_logged_with_its_status_and_its_last_words() {
    let log = Log::default();
    let _guard = log.begin();
    let gateway = Gateway::new(script());
    let client = gateway.client(Era::Legacy, "ada");
    for _ in 0..5 {
        let (_, message) = error(&client.call("end", json!({})).await);
        assert!(message.contains("exit status: 7") && !message.contains("secret"), "{message}");
        // A successful call, so that the next session opens without a pause.
        client.tool("env", json!({})).await;
    }
    let log = log.text();
    let lines = |level: &str, text: &str| {
        log.lines().filter(|line| line.contains(level) && line.contains(text)).count()
    };
    assert_eq!(
        lines("WARN", r#"an upstream has ended upstream=script cause="it ended with exit status: 7""#),
        5,
        "{log}"
    );
    // What it wrote may be anything, and is not shown by default.
    assert_eq!(lines("DEBUG", r#"last_words="secret: out of luck""#), 5, "{log}");
    assert_eq!(lines("WARN", "secret"), 0, "{log}");
}

#[tokio::test]
async fn a_crash_at_the_start_is_told_with_status_and_last_words() {
    let shell = "echo 'no such file: s3cret' >&2; exit 3";
    let gateway = Gateway::new(Upstream::stdio("sh").args(["-c", shell]).name("shell"));
    let reason = gateway.upstream.probe().await.expect_err("the child ends").to_string();
    assert!(reason.contains("exit status: 3") && reason.contains("no such file: s3cret"), "{reason}");
    let (_, words) = error(&gateway.client(Era::Legacy, "ada").call("any", json!({})).await);
    assert!(words.contains("exit status: 3") && !words.contains("s3cret"), "{words}");
}

/// Runs a shell script as an upstream, and returns why it cannot be opened.
async fn reason(script: &str) -> String {
    let shell = Upstream::stdio("sh").args(["-c", script]).name("shell").open_timeout(Duration::from_secs(1));
    let shell = shell.build().expect("valid settings");
    shell.probe().await.expect_err("it is no server").to_string()
}

#[tokio::test]
async fn what_a_child_says_before_it_ends_is_told_wherever_it_writes_it() {
    let (output, errors, both) = tokio::join!(
        reason("echo 'API_KEY is not set'; exit 1"),
        reason(
            "printf 'Error: API_KEY is not set\\n    at main (index.js:1:1)\\n\\nNode.js v22.0.0\\n' >&2; exit 1"
        ),
        // It waits for something else than messages.
        reason("echo 'listening on http://localhost:3000'; sleep 1000"),
    );
    assert!(output.ends_with("exit status: 1: API_KEY is not set"), "{output}");
    assert!(errors.ends_with("exit status: 1: Error: API_KEY is not set"), "{errors}");
    assert!(both.ends_with("did not open within 1s: listening on http://localhost:3000"), "{both}");
}

#[tokio::test]
async fn what_is_missing_to_start_a_child_is_named() {
    let reason = async |upstream: UpstreamBuilder| {
        let upstream = upstream.name("child").build().expect("valid settings");
        upstream.probe().await.expect_err("it cannot start").to_string()
    };
    let program = reason(Upstream::stdio("no-such-program")).await;
    assert!(program.contains(r#"there is no such program: "no-such-program""#), "{program}");
    let line = reason(Upstream::stdio("sh -c true")).await;
    assert!(line.contains("arguments are passed separately"), "{line}");
    let home = reason(Upstream::stdio("~/server")).await;
    assert!(home.contains("~ is not expanded"), "{home}");
    let directory = reason(Upstream::stdio("sh").current_dir("/no/such/directory")).await;
    assert!(directory.contains("working directory does not exist: /no/such/directory"), "{directory}");
    let script = test_support::setup::scratch().join(format!("script-{}", std::process::id()));
    std::fs::write(&script, "#!/no/such/interpreter\n").expect("written");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("changed");
    let interpreter = reason(Upstream::stdio(&script)).await;
    std::fs::remove_file(&script).expect("removed");
    assert!(interpreter.contains("the interpreter of its program is missing"), "{interpreter}");
    let file = reason(Upstream::stdio("/etc/passwd")).await;
    assert!(file.contains(r#"permission denied: "/etc/passwd""#), "{file}");
}

/// A child that ends at anything but `initialize`, as some servers do, and answers a call with how
/// many processes there have been.
fn strict(starts: &std::path::Path) -> UpstreamBuilder {
    let script = "
import json, sys
starts = sys.argv[1]
open(starts, 'a').write('.')
about = {'protocolVersion': '2025-11-25', 'capabilities': {'tools': {}}, 'serverInfo': {'name': 's', 'version': '1'}}
is_open = False
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'initialize':
        is_open = True
        result = about
    elif not is_open:
        sys.exit('expected initialize')
    else:
        result = {'content': [{'type': 'text', 'text': str(len(open(starts).read()))}]}
    if 'id' in request:
        print(json.dumps({'jsonrpc': '2.0', 'id': request['id'], 'result': result}), flush=True)
";
    Upstream::stdio("python3").args(["-c", script]).arg(starts).name("strict")
}

#[tokio::test]
async fn a_child_that_ends_at_anything_but_initialize_is_opened_with_that_alone() {
    let starts = test_support::setup::scratch().join(format!("strict-{}", std::process::id()));
    let _ = std::fs::remove_file(&starts);
    let gateway = Gateway::new(strict(&starts));
    // The first process ends, and no later caller starts another like it.
    for (caller, processes) in [("ada", "2"), ("ada", "2"), ("alan", "3")] {
        assert_eq!(gateway.client(Era::Modern, caller).tool("count", json!({})).await, processes);
    }
    std::fs::remove_file(&starts).expect("it was written");

    // A session of the legacy era is open when the modern one is tried.
    let gateway = Gateway::new(strict(&starts));
    for (era, processes) in [(Era::Legacy, "1"), (Era::Modern, "2"), (Era::Modern, "2")] {
        assert_eq!(gateway.client(era, "ada").tool("count", json!({})).await, processes);
    }
    std::fs::remove_file(&starts).expect("it was written");
}

#[tokio::test]
async fn a_list_that_fails_does_not_make_an_upstream_count_as_down() {
    let (upstream, mut wire) = super::wire::Wire::new();
    let upstream = upstream.build().expect("valid settings");
    let serve = async {
        wire.open_legacy(json!({"tools": {}, "resources": {}})).await;
        let request = wire.wait_for("tools/list").await;
        wire.answer(&request, json!({"tools": [{"name": "add", "inputSchema": {}}]})).await;
        for method in ["resources/list", "resources/templates/list"] {
            let request = wire.wait_for(method).await;
            wire.refuse(&request, -32_603).await;
        }
    };
    let (info, ()) = future::join(upstream.probe(), serve).await;
    let info = info.expect("it is up");
    assert_eq!(info.tools, ["add"]);
    assert_eq!(info.failed_lists, ["resources/list: no", "resources/templates/list: no"]);
}

#[tokio::test]
async fn a_response_that_is_not_json_fails_its_call_at_once() {
    let (upstream, mut wire) = super::wire::Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Legacy, "ada");
    let serve = async {
        wire.open_legacy(json!({"tools": {}})).await;
        let request = wire.wait_for("tools/call").await;
        let id = &request["id"];
        wire.write(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"mean":NaN}}}}"#)).await;
        let request = wire.wait_for("tools/call").await;
        let id = &request["id"];
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"caf"#);
        wire.writer().write_all(text.as_bytes()).await.expect("written");
        wire.writer().write_all(b"\xe9\"}]}}\n").await.expect("written");
    };
    let calls = async {
        let (code, message) = error(&client.call("mean", json!({})).await);
        assert_eq!(code, -32_603);
        assert!(message.contains("its response is not valid JSON"), "{message}");
        assert_eq!(client.tool("latin", json!({})).await, "caf\u{fffd}");
    };
    future::join(calls, serve).await;
}
