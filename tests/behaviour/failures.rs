//! Handlers that fail: what their clients see, and what is logged.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::call::{Call, CallFuture, CallKind, NoArguments};
use mcp_stateless::manager::ManagerBuilder;
use mcp_stateless::protocol::{RpcError, ServerCapabilities};
use mcp_stateless::registry::{Filtered, Item};
use mcp_stateless::{
    Catalog, Json, PromptRegistry, Registry, ResourceRegistry, Tool, ToolError, ToolOutput, ToolRegistry,
};
use serde_json::{Value, json};

use crate::log::Log;
use crate::site::{Site, joined};
use crate::support::{Answer, Era, Post, Probe};

/// An error like that of a library, whose message and source contain secrets.
#[derive(Debug)]
struct DatabaseError(std::io::Error);

impl fmt::Display for DatabaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("cannot connect to postgres://app:secret@db")
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn refused() -> DatabaseError {
    DatabaseError(std::io::Error::other("secret port\nERROR forged"))
}

/// The same failures for all three kinds of handlers.
fn catalog() -> Catalog {
    let tools = ToolRegistry::builder()
        .tool("undeclared", "", async || Err::<(), _>(refused()))
        .tool("declared", "", async || Err::<(), _>(ToolError::new("no such issue")))
        .tool("internal", "", async || Err::<(), _>(ToolError::internal(refused())))
        .tool("string", "", async || Err::<(), _>(refused().to_string()))
        .tool("not_json", "", async || Json(std::collections::HashMap::from([((), "secret")])))
        .tool("boxed", "", async || {
            Err::<(), Box<dyn Error + Send + Sync>>(RpcError::invalid_params("as it is").into())
        })
        .tool("slow", "", std::future::pending::<()>)
        .tool("panic", "", async || -> () { panic!("secret") })
        .tool("error_result", "", async || ToolOutput::error("no luck"))
        .tool_with_schema(
            "typed",
            "",
            json!({"type": "object"}),
            async |_: std::collections::BTreeMap<String, u8>| "",
        );
    let prompts = PromptRegistry::builder()
        .prompt("undeclared", "", async || Err::<String, _>(refused()))
        .prompt("declared", "", async || Err::<String, _>(ToolError::new("no such issue")))
        .prompt("internal", "", async || Err::<String, _>(ToolError::internal(refused())));
    let resources = ResourceRegistry::builder()
        .resource("a:undeclared", "undeclared", async || Err::<String, _>(refused()))
        .resource("a:declared", "declared", async || Err::<String, _>(ToolError::new("no such issue")))
        .resource("a:internal", "internal", async || Err::<String, _>(ToolError::internal(refused())));
    joined(tools.build(), prompts.build(), resources.build())
}

const KINDS: [&str; 3] = ["tool", "prompt", "resource"];

fn call(era: Era, kind: &str, name: &str) -> Post {
    match kind {
        "tool" => Post::call(era, name, json!({})),
        "prompt" => era.post("prompts/get", json!({"name": name})),
        _ => era.post("resources/read", json!({"uri": format!("a:{name}")})),
    }
}

/// Returns what the client sees of a failure, in a result or an error.
fn told(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    let json = answer.json();
    if let Some(message) = json["error"]["message"].as_str() {
        assert_eq!(json["error"]["code"], -32603);
        return message.to_owned();
    }
    assert_eq!(json["result"]["isError"], true);
    answer.tool_text()
}

fn reference(told: &str) -> &str {
    let reference = told.strip_prefix("Internal error (reference ").and_then(|rest| rest.strip_suffix(')'));
    let reference = reference.unwrap_or_else(|| panic!("no reference: {told}"));
    assert!(reference.len() == 8 && reference.bytes().all(|byte| byte.is_ascii_hexdigit()), "{reference}");
    reference
}

#[tokio::test]
async fn an_error_that_was_not_declared_safe_is_logged_and_not_shown() {
    let site = Site::new(catalog());
    for era in Era::BOTH {
        for (kind, name) in KINDS.map(|kind| (kind, "undeclared")).into_iter().chain([("tool", "string")]) {
            let log = Log::default();
            let guard = log.keep();
            let told = told(&site.send(call(era, kind, name)).await);
            drop(guard);
            let log = log.text();
            let reference = reference(&told);
            for part in [
                "ERROR",
                "a handler failed",
                &format!("kind={kind}"),
                &format!("name=\"{name}\""),
                &format!("reference=\"{reference}\""),
                "postgres://app:secret@db",
            ] {
                assert!(log.contains(part), "{part}: {log}");
            }
            // The source is logged too, on the same line.
            assert_eq!(log.contains("secret port"), name != "string", "{log}");
            assert!(!log.lines().any(|line| line.starts_with("ERROR forged")), "{log}");
        }
    }
}

#[tokio::test]
async fn each_failure_has_a_reference_of_its_own() {
    let site = Site::new(catalog());
    let first = told(&site.send(call(Era::Modern, "tool", "undeclared")).await);
    let second = told(&site.send(call(Era::Modern, "tool", "undeclared")).await);
    assert_ne!(reference(&first), reference(&second));
}

#[tokio::test]
async fn a_message_that_is_declared_safe_is_shown_whatever_failed() {
    for set in
        [|builder| builder, ManagerBuilder::show_errors, |builder: ManagerBuilder| builder.on_error(|_| None)]
    {
        let site = Site::with(catalog(), set);
        for era in Era::BOTH {
            for kind in KINDS {
                let log = Log::default();
                let guard = log.keep();
                assert_eq!(told(&site.send(call(era, kind, "declared")).await), "no such issue");
                drop(guard);
                assert!(
                    log.text().contains("INFO") && log.text().contains("no such issue"),
                    "{}",
                    log.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn an_internal_error_is_never_shown() {
    for set in [
        |builder| builder,
        ManagerBuilder::show_errors,
        |builder: ManagerBuilder| builder.on_error(|failed| Some(failed.error().to_string())),
    ] {
        let site = Site::with(catalog(), set);
        for era in Era::BOTH {
            for (kind, name) in KINDS.map(|kind| (kind, "internal")).into_iter().chain([("tool", "not_json")])
            {
                let log = Log::default();
                let guard = log.keep();
                let answer = site.send(call(era, kind, name)).await;
                drop(guard);
                assert!(!answer.text().contains("secret"), "{answer:?}");
                assert!(log.text().contains(reference(&told(&answer))), "{}", log.text());
            }
        }
    }
}

#[tokio::test]
async fn a_host_may_show_every_message_but_no_source() {
    let site = Site::with(catalog(), ManagerBuilder::show_errors);
    for era in Era::BOTH {
        for kind in KINDS {
            let answer = site.send(call(era, kind, "undeclared")).await;
            assert_eq!(told(&answer), "cannot connect to postgres://app:secret@db");
        }
    }
}

#[tokio::test]
async fn a_host_chooses_what_is_shown_of_an_error() {
    let site = Site::with(catalog(), |builder| {
        builder.on_error(|failed| {
            assert_eq!(failed.reference().len(), 8);
            failed.error().downcast_ref::<DatabaseError>()?;
            Some(format!("{} {} is not available now", failed.kind(), failed.name()))
        })
    });
    for era in Era::BOTH {
        for kind in KINDS {
            let told = told(&site.send(call(era, kind, "undeclared")).await);
            assert_eq!(told, format!("{kind} undeclared is not available now"));
        }
        reference(&told(&site.send(call(era, "tool", "string")).await));
    }
    assert_eq!(CallKind::Tool.to_string(), "tool");
    // If the hook panics, nothing is shown.
    let site = Site::with(catalog(), |builder| builder.on_error(|_| panic!("secret")));
    reference(&told(&site.send(call(Era::Modern, "prompt", "undeclared")).await));
}

#[tokio::test]
async fn an_error_of_the_protocol_stays_one_in_whatever_box() {
    let answer = Site::new(catalog()).send(call(Era::Modern, "tool", "boxed")).await;
    assert_eq!((answer.error(), answer.error_message().as_str()), ((200, -32602), "as it is"));
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_logged_with_the_name_of_what_failed() {
    let site = Site::new(catalog());
    for (name, level, words) in [
        ("slow", "WARN", "its limit of 300s"),
        ("panic", "ERROR", "a handler panicked"),
        ("error_result", "INFO", "a handler returned a result with `isError`"),
        ("boxed", "DEBUG", "code=-32602"),
    ] {
        let log = Log::default();
        let guard = log.keep();
        let answer = site.send(call(Era::Modern, "tool", name)).await;
        drop(guard);
        let log = log.text();
        let line = log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {log}"));
        assert!(line.contains(level) && line.contains(&format!("name=\"{name}\"")), "{line}");
        assert!(!log.contains("secret"), "{log}");
        if name == "panic" {
            assert!(log.contains(reference(&answer.error_message())), "{log}");
        }
    }
}

#[tokio::test]
async fn arguments_are_not_logged() {
    let site = Site::new(catalog());
    let log = Log::default();
    let guard = log.keep();
    let answer = site.send(Post::call(Era::Modern, "typed", json!({"a": "a secret"}))).await;
    drop(guard);
    assert!(answer.tool_text().contains("a secret"), "{answer:?}");
    assert!(log.text().contains("are invalid") && log.text().contains("\"typed\""), "{}", log.text());
    assert!(!log.text().contains("secret"), "{}", log.text());
}

/// An error whose `Display` panics.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("half of it")?;
        panic!("secret")
    }
}

impl Error for Unspeakable {}

#[tokio::test]
async fn an_error_whose_message_panics_is_logged_and_answered() {
    let tools =
        || {
            let tools = ToolRegistry::builder()
                .tool("undeclared", "", async || Err::<(), _>(Unspeakable))
                .tool("internal", "", async || Err::<(), _>(ToolError::internal(Unspeakable)));
            tools.build().expect("valid tools")
        };
    for site in [Site::new(tools()), Site::with(tools(), ManagerBuilder::show_errors)] {
        for name in ["undeclared", "internal"] {
            let log = Log::default();
            let guard = log.keep();
            let told = told(&site.send(call(Era::Modern, "tool", name)).await);
            drop(guard);
            let log = log.text();
            assert!(log.contains(reference(&told)) && log.contains("half of it"), "{log}");
            assert!(log.contains("the error panicked while its message was written"), "{log}");
        }
    }
}

/// A registry that fails for every name.
struct Anything;

impl Registry for Anything {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn call_tool(&self, _: Call<'_>) -> CallFuture<ToolOutput> {
        CallFuture::new(async { Err::<(), _>("out of luck") })
    }
}

#[tokio::test]
async fn a_name_from_a_client_stays_on_its_line_of_the_log() {
    let site = Site::new(Anything);
    let log = Log::default();
    let guard = log.keep();
    let endless = "x".repeat(100_000);
    for name in ["a\nERROR forged", "b\r\u{1b}[2J\u{85}", &endless] {
        site.send(Post::call(Era::Legacy, name, json!({}))).await;
    }
    drop(guard);
    let log = log.text();
    assert_eq!(log.lines().filter(|line| line.contains("a handler failed")).count(), 3, "{log}");
    assert!(log.lines().all(|line| !line.starts_with("ERROR forged")), "{log}");
    assert!(!log.contains(['\r', '\u{1b}', '\u{85}']) && log.len() < 20_000, "{log}");
}

/// A registry around another one that simply awaits its calls.
struct Around<R> {
    inner: R,
    way: Way,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Wrap,
    Map,
    Await,
}

impl<R: Registry> Registry for Around<R> {
    fn capabilities(&self) -> ServerCapabilities {
        self.inner.capabilities()
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        let work = self.inner.call_tool(call);
        match self.way {
            Way::Wrap => work.wrap(async |work| work.await),
            Way::Map => work.map_outcome(|outcome| outcome),
            Way::Await => CallFuture::new(work),
        }
    }
}

fn limited_and_detached(probe: &Probe) -> ToolRegistry {
    let probe = probe.clone();
    ToolRegistry::builder()
        .register(Tool::new("brief", "", std::future::pending::<()>).time_limit(Some(Duration::from_secs(7))))
        .register(
            Tool::new("patient", "", async || tokio::time::sleep(Duration::from_secs(1000)).await)
                .time_limit(None),
        )
        .register(
            Tool::new("detached", "", move |_: NoArguments| {
                let (running, probe) = (probe.run(), probe.clone());
                async move {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    drop(running);
                    probe.run();
                }
            })
            .detached(),
        )
        .build()
        .expect("valid tools")
}

#[tokio::test(start_paused = true)]
async fn a_registry_around_another_keeps_limit_detachment_and_name() {
    for way in [Way::Wrap, Way::Map, Way::Await] {
        let probe = Probe::default();
        let site = Arc::new(Site::new(Around { inner: limited_and_detached(&probe), way }));
        let log = Log::default();
        let guard = log.keep();
        let started = tokio::time::Instant::now();
        let answer = site.send(Post::call(Era::Modern, "brief", json!({}))).await;
        drop(guard);
        assert!(answer.tool_text().ends_with("its limit of 7s"), "{answer:?}");
        assert_eq!(started.elapsed().as_secs(), 7);
        assert!(log.text().contains("name=\"brief\""), "{}", log.text());

        // An inner registry cannot lift the manager's own limit.
        let answer = site.send(Post::call(Era::Modern, "patient", json!({}))).await;
        let is_stopped = answer.json()["result"]["isError"] == true;
        assert_eq!(is_stopped, way == Way::Await);

        let call = tokio::spawn({
            let site = Arc::clone(&site);
            async move { site.send(Post::call(Era::Modern, "detached", json!({}))).await }
        });
        probe.until(|probe| probe.running() == 1).await;
        call.abort();
        assert!(call.await.expect_err("aborted").is_cancelled());
        assert_eq!(probe.running(), 1, "it goes on without its client");
        assert_eq!(site.manager.shut_down(Duration::from_secs(120)).await, 0, "and is waited for");
        assert_eq!(probe.running(), 0);
    }
}

#[tokio::test]
async fn a_registry_around_another_sees_errors_and_may_refuse() {
    struct Gate(Catalog);
    impl Registry for Gate {
        fn capabilities(&self) -> ServerCapabilities {
            self.0.capabilities()
        }

        fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
            let is_closed = call.head().headers.contains_key("x-closed");
            self.0.call_tool(call).wrap(async move |work| {
                if is_closed {
                    return Err(ToolError::new("closed"));
                }
                work.await.map_err(|error| ToolError::new(format!("seen: {error}")))
            })
        }
    }
    let site = Site::new(Filtered::new(Gate(catalog()), |item: Item<'_>, _: &http::request::Parts| {
        matches!(item, Item::Tool(_))
    }));
    let answer = site.send(call(Era::Modern, "tool", "declared")).await;
    assert_eq!(told(&answer), "seen: no such issue");
    let answer = site.send(call(Era::Modern, "tool", "declared").header("x-closed", "yes")).await;
    assert_eq!(told(&answer), "closed");
    let fine: Value = site.result(Post::modern("tools/list", json!({}))).await;
    assert_eq!(fine["tools"], json!([]));
}

/// A domain error of the host.
#[derive(Debug)]
enum TrackerError {
    NotFound(u32),
    Closed,
    Database(DatabaseError),
}

impl fmt::Display for TrackerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(id) => write!(formatter, "there is no issue {id}"),
            Self::Closed => formatter.write_str("closed by secret"),
            Self::Database(error) => error.fmt(formatter),
        }
    }
}

impl Error for TrackerError {}

/// Not an `Error`: it converts into a `ToolError` itself.
#[derive(Debug)]
struct Forbidden;

impl From<Forbidden> for ToolError {
    fn from(_: Forbidden) -> Self {
        Self::new("Ada alone may do this")
    }
}

fn tracker() -> Catalog {
    let fail = |name: &'static str| {
        move || async move {
            Err::<String, _>(match name {
                "missing" => TrackerError::NotFound(7),
                "closed" => TrackerError::Closed,
                _ => TrackerError::Database(refused()),
            })
        }
    };
    let (mut tools, mut prompts, mut resources) =
        (ToolRegistry::builder(), PromptRegistry::builder(), ResourceRegistry::builder());
    for name in ["missing", "closed", "database"] {
        tools = tools
            .tool(name, "", fail(name))
            .register(Tool::new(format!("{name}-detached"), "", fail(name)).detached());
        prompts = prompts.prompt(name, "", fail(name));
        resources = resources.resource(format!("a:{name}"), name, fail(name));
    }
    let tools = tools
        .tool("io", "", async || Err::<(), _>(std::io::Error::other("secret")))
        .tool("forbidden", "", async || Err::<(), _>(Forbidden))
        .tool("forbidden_by_mark", "", async || -> Result<(), ToolError> { Err(Forbidden)? });
    joined(tools.build(), prompts.build(), resources.build())
}

#[tokio::test]
async fn a_host_turns_its_own_errors_into_answers_in_one_place() {
    let site = Site::with(tracker(), |builder| {
        builder.map_errors(|_: TrackerError| -> ToolError { unreachable!("it is replaced") }).map_errors(
            |error: TrackerError| match error {
                TrackerError::NotFound(_) => ToolError::new(error),
                TrackerError::Closed => RpcError::invalid_params("it is closed").into(),
                TrackerError::Database(error) => ToolError::internal(error),
            },
        )
    });
    for era in Era::BOTH {
        for (kind, suffix) in KINDS.map(|kind| (kind, "")).into_iter().chain([("tool", "-detached")]) {
            let log = Log::default();
            let guard = log.keep();
            let missing = site.send(call(era, kind, &format!("missing{suffix}"))).await;
            assert_eq!(told(&missing), "there is no issue 7");
            if suffix.is_empty() {
                assert!(log.text().contains("INFO") && !log.text().contains("ERROR"), "{}", log.text());
            }
            let closed = site.send(call(era, kind, &format!("closed{suffix}"))).await;
            assert_eq!((closed.error(), closed.error_message().as_str()), ((200, -32602), "it is closed"));
            let database = site.send(call(era, kind, &format!("database{suffix}"))).await;
            drop(guard);
            reference(&told(&database));
        }
        reference(&told(&site.send(call(era, "tool", "io")).await));
        for name in ["forbidden", "forbidden_by_mark"] {
            assert_eq!(told(&site.send(call(era, "tool", name)).await), "Ada alone may do this");
        }
    }
}

#[tokio::test]
async fn a_map_of_errors_that_panics_shows_nothing() {
    let site = Site::with(tracker(), |builder| {
        builder.show_errors().map_errors(|error: TrackerError| -> ToolError { panic!("{error}") })
    });
    reference(&told(&site.send(call(Era::Modern, "tool", "closed")).await));
}

#[test]
fn every_public_error_is_an_error_of_the_standard_library() {
    fn is_error<T: Error + Send + Sync + 'static>() {}
    is_error::<mcp_stateless::ask::AskError>();
    is_error::<mcp_stateless::call::CallError>();
    is_error::<mcp_stateless::call::HandlerError>();
    is_error::<mcp_stateless::call::InvalidOutput>();
    is_error::<mcp_stateless::ConfigError>();
    is_error::<mcp_stateless::protocol::RpcError>();
    is_error::<mcp_stateless::RegistryError>();
    // It converts from every error, so it cannot be one itself, but its contents are.
    assert_eq!(ToolError::new("no such issue").to_string(), "no such issue");
}
