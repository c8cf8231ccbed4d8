//! What the log may contain: the tables of the guide "Observing" name every event with its level, no
//! event of a default level contains a secret, and nobody can forge a line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_stateless::ask::StateKeys;
use mcp_stateless::auth::ApiKeys;
use mcp_stateless::call::NoArguments;
use mcp_stateless::protocol::{ErrorCode, RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer, ListRequest, Page};
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{
    CallContext, Catalog, Json, Prompt, PromptRegistry, Registry, ResourceRegistry, Tool, ToolError,
    ToolRegistry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Level;

use crate::askers::{accept, askers, call, call_again};
use crate::auth::{issuer::Issuer, server::Protected};
use crate::recorder::{Fields, Recorder};
use crate::site::Site;
use crate::support::{Era, Post};

const GUIDE: &str = include_str!("../../src/guide/observing.md");

/// An event: where it is, its level and its text.
type Line = (String, String, String);

/// The rows of the guide's tables of events.
fn rows() -> BTreeSet<Line> {
    let (mut package, mut rows) = ("src", BTreeSet::new());
    for line in GUIDE.lines() {
        match line {
            "Of `mcp-stateless-upstream`:" => package = "crates/upstream/src",
            "Of `mcp-stateless-redis`:" => package = "crates/redis/src",
            "Of `mcp-gateway`:" => package = "crates/gateway/src",
            _ => {}
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", level @ ("error" | "warn" | "info" | "debug" | "trace"), event, _, ""] = cells[..] {
            let event = event.trim_matches('`').to_owned();
            assert!(rows.insert((package.to_owned(), level.to_owned(), event)), "twice: {line}");
        }
    }
    rows
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Returns the arguments of a macro, up to its closing parenthesis, and its last string.
fn arguments(source: &str) -> (&str, &str) {
    let (mut depth, mut start, mut last) = (1, None, "");
    let mut letters = source.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, start) {
            ('\\', Some(_)) => _ = letters.next(),
            ('"', None) => start = Some(at + 1),
            ('"', Some(from)) => {
                last = &source[from..at];
                start = None;
            }
            ('(' | '[' | '{', None) => depth += 1,
            (')' | ']' | '}', None) => {
                depth -= 1;
                if depth == 0 {
                    return (&source[..at], last);
                }
            }
            _ => {}
        }
    }
    panic!("a macro without an end: {source:.80}")
}

/// Every event in the sources, with its level, its text and its arguments.
fn events() -> Vec<(Line, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut events = Vec::new();
    for package in ["src", "crates/upstream/src", "crates/redis/src", "crates/gateway/src"] {
        let mut files = Vec::new();
        rust_files(&root.join(package), &mut files);
        for file in files {
            let source = std::fs::read_to_string(&file).expect("a text");
            for (at, _) in source.match_indices("tracing::") {
                let rest = &source[at + "tracing::".len()..];
                let levels = ["error", "warn", "info", "debug", "trace"].into_iter();
                for level in levels {
                    if let Some(rest) = rest.strip_prefix(level).and_then(|rest| rest.strip_prefix("!(")) {
                        let (arguments, event) = arguments(rest);
                        let line = (package.to_owned(), level.to_owned(), event.replace('`', ""));
                        events.push((line, arguments.to_owned()));
                    }
                }
            }
        }
    }
    assert!(events.len() > 50, "the sources are not where they were");
    events
}

#[test]
fn the_tables_of_the_guide_have_every_event_with_its_level() {
    let found: BTreeSet<_> = events().into_iter().map(|(line, _)| line).collect();
    let rows = rows();
    let missing: Vec<_> = found.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&found).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in the guide: {missing:#?}\nonly there: {gone:#?}");
}

/// `%` and `?` write a value as it is. Texts of others are `str` fields, which subscribers quote.
#[test]
fn only_values_that_cannot_forge_a_line_are_written_as_they_are() {
    let allowed = [
        // Of this crate.
        "%kind",
        "kind = %T::KIND",
        "error = %self.error",
        "%status",
        "%full",
        // Of the host.
        "%upstream",
        "upstream = %self.upstream",
        "upstream = %connection.upstream",
        "upstream = %client.connection.upstream",
        "upstream = %http.connection.upstream",
        // Of the system and of hyper.
        "%error",
        "errors = ?system.errors",
        // Durations.
        "?pause",
        "after = ?since.elapsed()",
        "limit = ?deadline.length()",
        "limit = ?CHOICE_LIMIT",
        "write_timeout = ?this.write_timeout",
    ];
    for ((package, level, event), arguments) in events() {
        assert!(!event.contains('{'), "not constant: {event}");
        for argument in arguments.split(',').map(str::trim) {
            let is_raw =
                argument.starts_with(['%', '?']) || argument.contains("= %") || argument.contains("= ?");
            assert!(!is_raw || allowed.contains(&argument), "{package} {level} {event}: {argument}");
        }
    }
}

/// What must not be in the log. Each is a word that appears nowhere else.
const SECRETS: [&str; 17] = [
    "ARGUMENT",
    "RESULT",
    "STRUCTURED",
    "DECLARED",
    "VERBATIM",
    "HEADER",
    "TOKEN",
    "QUERY",
    "USERINFO",
    "ANSWER",
    "PROGRESS",
    "CURSOR",
    "UNLISTED",
    "META",
    "PROMPTED",
    "HANDLERSTATE",
    "QUESTION",
];

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct Narrow {
    #[schemars(length(max = 3))]
    name: String,
}

/// A part of a catalog whose lists fail.
struct Failing;

impl Registry for Failing {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn list_tools(&self, _: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::ready(Err(RpcError::new(ErrorCode::INTERNAL_ERROR, "UNLISTED")))
    }
}

fn everything() -> Catalog {
    let tools = ToolRegistry::builder()
        .tool("echo", "", async |Text { text }: Text, cx: CallContext| {
            cx.progress(1.0, None, "PROGRESS").await;
            format!("{text} RESULT")
        })
        .tool("declared", "", async || Err::<(), _>(ToolError::new("DECLARED")))
        .tool("verbatim", "", async || Err::<(), _>(RpcError::new(ErrorCode::INTERNAL_ERROR, "VERBATIM")))
        .tool("invalid", "", async || Err::<(), _>(RpcError::invalid_params("VERBATIM")))
        .tool("panic", "", async |Text { text }: Text| -> String { panic!("{text}") })
        .register(Tool::new("slow", "", async |_: Text| std::future::pending::<()>().await))
        .register(
            Tool::new("narrow", "", async |Text { text }: Text| Json(Narrow { name: text }))
                .check_output()
                .check_arguments(),
        )
        .build()
        .expect("valid tools");
    let prompts = PromptRegistry::builder()
        .register(Prompt::new("prompt", "", async |Text { text }: Text| format!("PROMPTED {text}")))
        .build()
        .expect("valid prompts");
    let resources = ResourceRegistry::builder()
        .register_template(ResourceTemplate::new("db://{+rest}", "", async |_: Value| {
            Err::<String, _>(ToolError::new("DECLARED"))
        }))
        .build()
        .expect("valid resources");
    let catalog = Catalog::builder().add(tools).add(prompts).add(resources).add_prefixed("failing", Failing);
    catalog.build().expect("no collisions")
}

/// Makes everything happen that could leave a secret in the log. Returns more secrets.
async fn happen() -> Vec<String> {
    let site = Site::new(everything());
    for era in Era::BOTH {
        let send = async |method: &str, params: Value| {
            let mut params = params;
            params["_meta"] = json!({"progressToken": "META", "vendor": "META"});
            let post =
                era.post(method, params).header("x-custom", "HEADER").header("authorization", "Bearer TOKEN");
            site.send(post).await
        };
        for tool in ["echo", "declared", "verbatim", "invalid", "panic", "slow", "narrow", "unknown"] {
            send("tools/call", json!({"name": tool, "arguments": {"text": "ARGUMENT STRUCTURED"}})).await;
            send("tools/call", json!({"name": tool, "arguments": {"text": ["ARGUMENT"]}})).await;
        }
        for name in ["prompt", "unknown"] {
            send("prompts/get", json!({"name": name, "arguments": {"text": "ARGUMENT"}})).await;
            send("prompts/get", json!({"name": name, "arguments": {"other": "ARGUMENT"}})).await;
        }
        send("resources/read", json!({"uri": "db://USERINFO@host/rows?QUERY"})).await;
        send("resources/read", json!({"uri": "other://USERINFO@host/rows?QUERY#QUERY"})).await;
        send("tools/list", json!({})).await;
        send("tools/list", json!({"cursor": "CURSOR"})).await;
        let complete = json!({"ref": {"type": "ref/prompt", "name": "prompt"}, "argument": {"name": "text", "value": "ARGUMENT"}});
        send("completion/complete", complete).await;
        site.send(era.post("ping", json!({})).header("host", "HEADER.example.com")).await;
        site.send(era.post("ping", json!({})).header("origin", "https://HEADER.example.com")).await;
        site.send(era.post("ping", json!({})).header("mcp-protocol-version", "HEADER")).await;
    }
    site.send(Era::Modern.post("server/discover", json!({})).header("mcp-method", "HEADER")).await;
    ask().await;
    let issuer = Issuer::new();
    let keys = ApiKeys::new("keys").key("a key that is long enough", "ada", ["a"]);
    for protected in [Protected::new(&issuer), Protected::with(&issuer, keys, |server| server)] {
        for token in ["TOKEN", "TOKEN.TOKEN.TOKEN", "eyJhbGciOiJub25lIn0.TOKEN.", &"TOKEN".repeat(2000)] {
            protected.status(token).await;
        }
    }
    crate::tasks::logged::happen().await
}

async fn ask() {
    let site = Site::with(askers().0, |builder| builder.state_keys(StateKeys::new([7; 32])));
    let answers = |answer: &Value| json!({"name": answer.clone()});
    let right = accept(&json!({"name": "ANSWER"}));
    for answer in [&right, &json!({"action": "ANSWER"}), &accept(&json!({"name": ["ANSWER"]}))] {
        let required = site.result(call(Era::Modern, "greet")).await;
        site.send(call_again("greet", &required, answers(answer))).await;
        let mut forged = required.clone();
        forged["requestState"] = "ANSWER".into();
        site.send(call_again("greet", &forged, answers(answer))).await;

        let mut wire = site.open(call(Era::Legacy, "greet")).await;
        let question = wire.message().await;
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answer});
        site.send(Post::raw(answer.to_string()).of("mallory")).await;
        site.send(Post::raw(answer.to_string())).await;
        while wire.next().await.is_some() {}
    }
}

fn leaks(fields: &Fields) -> impl Iterator<Item = &'static str> + '_ {
    SECRETS.into_iter().filter(|secret| fields.values().any(|value| value.contains(secret)))
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_logged_at_a_default_level() {
    let recorder = Recorder::default();
    let guard = recorder.keep();
    let ids = tokio::time::timeout(Duration::from_secs(100_000), happen()).await.expect("it ends");
    drop(guard);
    assert!(ids.len() > 20, "{ids:?}");
    let tells_id = |fields: &Fields| ids.iter().any(|id| fields.values().any(|value| value.contains(id)));
    let (spans, events) = (recorder.spans(), recorder.events());
    assert!(spans.len() > 50 && events.len() > 50, "{} spans, {} events", spans.len(), events.len());
    for span in &spans {
        assert_eq!(leaks(&span.fields).next(), None, "{span:?}");
        assert!(!tells_id(&span.fields), "{span:?}");
    }
    for event in &events {
        let text = &event.fields["message"];
        let level = event.level.as_str().to_lowercase();
        let is_listed = rows().iter().any(|(_, row, event)| *row == level && *event == text.replace('`', ""));
        assert!(is_listed, "{event:?}");
        if event.level <= Level::INFO {
            assert_eq!(leaks(&event.fields).next(), None, "{event:?}");
        }
        // Not at any level.
        assert!(!tells_id(&event.fields), "{event:?}");
        for never in ["TOKEN", "ARGUMENT", "RESULT", "META", "PROGRESS", "HANDLERSTATE", "PROMPTED", "CURSOR"]
        {
            let quoted = ["why the result of a tool does not match its output schema"].contains(&&**text);
            let is_there = event.fields.values().any(|value| value.contains(never));
            assert!(!is_there || (quoted && never == "ARGUMENT"), "{never}: {event:?}");
        }
    }
    // Where messages for clients are logged, they are logged in full.
    let debug = |secret: &str| {
        events.iter().any(|event| {
            event.level == Level::DEBUG && event.fields.values().any(|value| value.contains(secret))
        })
    };
    for secret in ["DECLARED", "VERBATIM", "UNLISTED", "HEADER", "STRUCTURED"] {
        assert!(debug(secret), "{secret}");
    }
    // Tasks were begun, taken up and given up.
    for happened in [
        "a call has become a task",
        "the call of a task is restarted",
        "the task of a replica that has stopped is marked as failed",
        "the task store has no room for a result",
        "the task store is not available",
        "a task no longer belongs to this process",
    ] {
        assert!(events.iter().any(|event| event.fields["message"] == happened), "{happened}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_client_sends_stays_on_its_line_and_short() {
    const FORGED: &str = "x\nERROR forged\r\u{1b}[2J\u{85}\u{2028}\u{202e}";
    let recorder = Recorder::default();
    let guard = recorder.keep();
    let site = Site::new(everything());
    let long = "x".repeat(100_000);
    for text in [FORGED, &long] {
        for era in Era::BOTH {
            for (method, params) in [
                ("tools/call", json!({"name": text})),
                ("tools/call", json!({"name": "declared", "_meta": {"progressToken": text}})),
                ("prompts/get", json!({"name": text})),
                ("prompts/get", json!({"name": "prompt", "arguments": {text: text}})),
                ("resources/read", json!({"uri": format!("db://{text}")})),
                ("resources/read", json!({"uri": text})),
                (text, json!({})),
            ] {
                let mut post = era.post("ping", json!({}));
                let mut body: Value = serde_json::from_slice(&post.text()).expect("JSON");
                let meta = body["params"]["_meta"].take();
                body["method"] = method.into();
                body["params"] = params;
                if meta.is_object() {
                    body["params"]["_meta"] = meta;
                }
                let encoded = |text: &str| {
                    use base64::Engine as _;
                    format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(text))
                };
                if era == Era::Modern {
                    let name =
                        body["params"]["name"].as_str().or(body["params"]["uri"].as_str()).unwrap_or("");
                    post = post.header("mcp-name", &encoded(name)).header("mcp-method", &encoded(method));
                    if method.is_ascii() && !method.contains(char::is_control) {
                        post = post.header("mcp-method", method);
                    }
                }
                body["id"] = text.into();
                site.send(post.body(body.to_string())).await;
            }
        }
    }
    for value in [&long, "a\tb", "\u{e9}"] {
        for name in
            ["host", "origin", "mcp-protocol-version", "mcp-method", "mcp-name", "accept", "content-type"]
        {
            site.send(Era::Modern.post("ping", json!({})).header(name, value)).await;
        }
    }
    drop(guard);
    let spans = recorder.spans().into_iter().map(|span| span.fields);
    let events = recorder.events();
    assert!(events.len() > 30, "{}", events.len());
    for fields in spans.chain(events.into_iter().map(|event| event.fields)) {
        for (name, value) in fields {
            assert!(value.len() < 5000, "{name} has {} bytes", value.len());
            assert!(
                !value.contains(|it: char| it.is_control() || it == '\u{2028}' || it == '\u{202e}'),
                "{value:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_handler_without_arguments_says_nothing_of_those_it_gets() {
    let tools =
        ToolRegistry::builder().tool("none", "", async |_: NoArguments| "").build().expect("valid tools");
    let (site, recorder) = (Site::new(tools), Recorder::default());
    let _guard = recorder.keep();
    site.send(Post::call(Era::Modern, "none", json!({"text": "ARGUMENT"}))).await;
    assert!(recorder.events().is_empty(), "{:?}", recorder.events());
}
