//! Spans: one for each request, with the attributes of OpenTelemetry's conventions for MCP.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use mcp_stateless::ask::{LocalAnswerGuard, StateKeys};
use mcp_stateless::call::NoArguments;
use mcp_stateless::observe::{Propagation, TraceContext};
use mcp_stateless::protocol::{RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer as RegistryAnswer, ListRequest, Page};
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{CallContext, Catalog, PromptRegistry, Registry, ResourceRegistry, Tool, ToolRegistry};
use serde_json::{Value, json};
use tracing::Span;

use crate::askers::{accept, askers, call, call_again};
use crate::listening::listen;
use crate::recorder::{Fields, Recorder, SpanRecord};
use crate::site::Site;
use crate::support::{Era, Post, Server};

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn field<'s>(span: &'s SpanRecord, name: &str) -> Option<&'s str> {
    span.fields.get(name).map(String::as_str)
}

#[tokio::test]
async fn a_call_is_one_span_with_the_attributes_of_the_conventions() {
    let (server, recorder) = (Server::new(), Recorder::default());
    let _guard = recorder.keep();
    for (era, revision, name) in
        [(Era::Legacy, "2025-03-26", "legacy"), (Era::Modern, "2026-07-28", "modern")]
    {
        server.send(Post::call(era, "add", json!({"a": 1, "b": 2}))).await;
        let span = recorder.take_request();
        let expected = fields(&[
            ("otel.name", "tools/call add"),
            ("otel.kind", "server"),
            ("mcp.method.name", "tools/call"),
            ("gen_ai.tool.name", "add"),
            ("gen_ai.operation.name", "execute_tool"),
            ("jsonrpc.request.id", "1"),
            ("mcp.protocol.version", revision),
            ("mcp_stateless.era", name),
        ]);
        assert_eq!((span.level, span.is_closed, span.parent), (tracing::Level::INFO, true, None));
        assert_eq!(span.fields, expected);
    }
}

fn everything() -> Catalog {
    let prompts =
        PromptRegistry::builder().prompt("greet", "", async || "hi").build().expect("valid prompts");
    let resources = ResourceRegistry::builder()
        .register_template(ResourceTemplate::new("db://{+rest}", "", async |_: Value| "rows"))
        .build()
        .expect("valid resources");
    let tools = ToolRegistry::builder().tool("add", "", async || 1).build().expect("valid tools");
    Catalog::builder().add(tools).add(prompts).add(resources).build().expect("no collisions")
}

#[tokio::test]
async fn every_method_has_a_span_that_says_what_it_names() {
    let (site, recorder) = (Site::new(everything()), Recorder::default());
    let _guard = recorder.keep();
    for (post, name, more) in [
        (
            Era::Modern.post("prompts/get", json!({"name": "greet"})),
            "prompts/get greet",
            ("gen_ai.prompt.name", "greet"),
        ),
        (
            Era::Modern
                .post("resources/read", json!({"uri": "db://ada:secret@host/table?key=secret#secret"})),
            "resources/read",
            ("mcp.resource.uri", "db://host/table"),
        ),
        (Era::Modern.post("tools/list", json!({})), "tools/list", ("mcp.method.name", "tools/list")),
        (Era::Modern.post("server/discover", json!({})), "server/discover", ("mcp_stateless.era", "modern")),
        (Era::Legacy.post("ping", json!({})), "ping", ("mcp_stateless.era", "legacy")),
        // A client cannot invent methods.
        (Era::Legacy.post("made/up", json!({})), "_OTHER", ("mcp.method.name", "_OTHER")),
        (
            Era::Legacy.post("ping", json!({})).edit(r#""id":1"#, r#""id":"a-b""#),
            "ping",
            ("jsonrpc.request.id", "a-b"),
        ),
    ] {
        site.send(post).await;
        let span = recorder.take_request();
        assert_eq!(field(&span, "otel.name"), Some(name));
        assert_eq!(field(&span, more.0), Some(more.1), "{span:?}");
        assert_eq!(field(&span, "gen_ai.operation.name"), None, "only for calls of tools");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_fails_has_an_error_and_success_is_not_recorded() {
    let (server, recorder) = (Server::new(), Recorder::default());
    let _guard = recorder.keep();
    let tool = |name: &str| Post::call(Era::Modern, name, json!({"text": "a"}));
    for (post, end, error, code) in [
        (tool("echo"), None, None, None),
        (tool("fail"), Some("tool_error"), Some("tool_error"), None),
        (tool("add"), Some("tool_error"), Some("tool_error"), None),
        (tool("wait_briefly"), Some("tool_error"), Some("tool_error"), None),
        (tool("panic"), Some("error"), Some("-32603"), Some("-32603")),
        (tool("panic_at_once"), Some("error"), Some("-32603"), Some("-32603")),
        (tool("sample"), Some("error"), Some("-32021"), Some("-32021")),
        (tool("unknown"), Some("error"), Some("-32602"), Some("-32602")),
        (
            Era::Modern.post("tools/list", json!({"cursor": "x"})),
            Some("error"),
            Some("-32602"),
            Some("-32602"),
        ),
        (Era::Modern.post("prompts/list", json!({})), Some("error"), Some("-32601"), Some("-32601")),
        (
            listen(&json!({})).header("accept", "application/json"),
            Some("error"),
            Some("-32601"),
            Some("-32601"),
        ),
    ] {
        server.send(post).await;
        let span = recorder.take_request();
        let got = ["mcp_stateless.outcome", "error.type", "rpc.response.status_code"]
            .map(|name| field(&span, name));
        assert_eq!(got, [end, error, code], "{span:?}");
        assert_eq!(field(&span, "otel.status_code"), error.map(|_| "ERROR"));
        // The conventions allow a description; messages are for clients alone.
        assert!(field(&span, "otel.status_description").is_none() && span.is_closed);
    }
}

/// Logs at each step.
async fn logger(_: NoArguments, cx: CallContext) -> &'static str {
    tracing::info!("first");
    tokio::task::yield_now().await;
    tracing::info!("second");
    cx.progress(1.0, None, "").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    tracing::info!("third");
    "done"
}

fn loggers() -> ToolRegistry {
    ToolRegistry::builder()
        .tool("logger", "", logger)
        .register(Tool::new("detached", "", logger).detached())
        .tool("starter", "", |_: NoArguments| {
            tracing::info!("first");
            std::future::ready("done")
        })
        .build()
        .expect("valid tools")
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_logs_belongs_to_its_request_wherever_it_runs() {
    let (site, recorder) = (Site::new(loggers()), Recorder::default());
    let _guard = recorder.keep();
    for (tool, count) in [("logger", 3), ("detached", 3), ("starter", 1)] {
        let post = Post::call_with_meta(Era::Modern, tool, json!({}), json!({"progressToken": 1}));
        // As if the host had a span for the HTTP request.
        let http = tracing::info_span!("http");
        let mut handling = std::pin::pin!(site.open(post));
        let mut wire = poll_fn(|cx| http.in_scope(|| handling.as_mut().poll(cx))).await;
        // The body is polled elsewhere.
        while wire.block().await.is_some() {}
        let (spans, events) = (recorder.spans(), recorder.events());
        let span = spans.iter().find(|span| span.name == "mcp.request").expect("a span");
        let http = spans.iter().find(|span| span.name == "http").expect("a span");
        assert_eq!(span.parent, Some(http.id), "without a remote parent, it belongs to the HTTP request");
        assert_eq!(events.len(), count, "{tool}: {events:?}");
        for event in events {
            assert_eq!(event.span, Some(span.id), "{tool}: {event:?}");
        }
        recorder.take_requests();
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_lasts_as_long_as_its_stream() {
    let (server, recorder) = (Server::new(), Recorder::default());
    let _guard = recorder.keep();
    let post = Post::call_with_meta(Era::Modern, "slow_progress", json!({}), json!({"progressToken": 1}));
    let response = server.handle(post.clone()).await;
    assert!(!recorder.spans()[0].is_closed);
    crate::support::Answer::read(response).await;
    let span = recorder.take_request();
    assert!(span.is_closed && field(&span, "error.type").is_none(), "{span:?}");

    // A client that leaves.
    drop(server.handle(post).await);
    let span = recorder.take_request();
    assert_eq!((span.is_closed, field(&span, "error.type")), (true, Some("cancelled")));

    // One that leaves before there is a response.
    {
        let mut handling = std::pin::pin!(server.handle(Post::call(Era::Modern, "wait", json!({}))));
        poll_fn(|cx| {
            assert!(handling.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let span = recorder.take_request();
    assert_eq!((span.is_closed, field(&span, "mcp_stateless.outcome")), (true, Some("cancelled")));
}

#[tokio::test]
async fn a_listener_that_leaves_has_not_failed() {
    let registry =
        mcp_stateless::registry::Live::new(loggers(), mcp_stateless::changes::Changes::in_process());
    let (site, recorder) = (Site::new(registry), Recorder::default());
    let _guard = recorder.keep();
    let mut wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
    wire.message().await;
    assert!(!recorder.spans()[0].is_closed);
    drop(wire);
    let span = recorder.take_request();
    assert_eq!(field(&span, "otel.name"), Some("subscriptions/listen"));
    assert!(span.is_closed && field(&span, "error.type").is_none(), "{span:?}");
}

#[tokio::test]
async fn each_request_of_a_batch_has_a_span_and_nothing_else_has() {
    let (server, recorder) = (Server::new(), Recorder::default());
    let _guard = recorder.keep();
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "fail"}},
        {"jsonrpc": "2.0", "id": 3, "method": 7},
    ]);
    server.send(Post::raw(batch.to_string())).await;
    let spans = recorder.take_requests();
    let told: Vec<_> =
        spans.iter().map(|span| (field(span, "jsonrpc.request.id"), field(span, "error.type"))).collect();
    assert_eq!(told, [(Some("1"), None), (Some("2"), Some("tool_error"))]);
    for post in [
        Post::raw("{"),
        Post::legacy("ping", &json!({})).header("host", "evil.example.com"),
        Post::raw(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        Post::raw(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
    ] {
        server.send(post).await;
        assert_eq!(recorder.take_requests().len(), 0);
    }
}

#[tokio::test]
async fn names_of_clients_stay_on_their_line_and_short() {
    let (server, recorder) = (Server::new(), Recorder::default());
    let _guard = recorder.keep();
    let long = "x".repeat(10_000);
    for (name, shown) in [
        ("a\nERROR forged\u{1b}[2J", r#""a\nERROR forged\u{1b}[2J""#),
        (r#"x" error.type="y"#, r#""x\" error.type=\"y""#),
        (&*long, &*format!("{}…", &long[..256])),
    ] {
        server.send(Post::call(Era::Legacy, name, json!({})).edit(r#""id":1"#, r#""id":"\n\u2028""#)).await;
        let span = recorder.take_request();
        assert!(field(&span, "gen_ai.tool.name") == Some(shown), "{span:?}");
        for value in span.fields.values() {
            assert!(value.len() < 300 && !value.contains(char::is_control), "{value:?}");
        }
    }
}

/// A registry whose list logs, and comes later.
struct Late;

impl Registry for Late {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn list_tools(&self, _: ListRequest<'_>) -> RegistryAnswer<'_, Page> {
        tracing::info!("at once");
        RegistryAnswer::later(async {
            tokio::task::yield_now().await;
            tracing::info!("later");
            Err(RpcError::internal())
        })
    }
}

#[tokio::test]
async fn a_list_that_comes_later_is_fetched_in_the_span_of_its_request() {
    let (site, recorder) = (Site::new(Late), Recorder::default());
    let _guard = recorder.keep();
    site.send(Era::Modern.post("tools/list", json!({}))).await;
    let events = recorder.events();
    let span = recorder.take_request();
    assert_eq!(events.iter().map(|event| event.span).collect::<Vec<_>>(), [Some(span.id); 2]);
    assert_eq!(field(&span, "error.type"), Some("-32603"));
}

#[tokio::test]
async fn a_question_is_an_end_and_a_redeemed_answer_begins_one_span() {
    let recorder = Recorder::default();
    let site = Site::with(askers().0, |builder| {
        builder.state_keys(StateKeys::new([7; 32])).answer_guard(LocalAnswerGuard::default())
    });
    let _guard = recorder.keep();
    let required = site.result(call(Era::Modern, "greet")).await;
    let span = recorder.take_request();
    assert_eq!(field(&span, "mcp_stateless.outcome"), Some("input_required"));
    assert_eq!(field(&span, "error.type"), None);

    let answers = json!({"name": accept(&json!({"name": "Ada"}))});
    site.result(call_again("greet", &required, answers.clone())).await;
    let span = recorder.take_request();
    assert!(span.is_closed && field(&span, "mcp_stateless.outcome").is_none(), "{span:?}");

    // The same answers are taken once.
    site.send(call_again("greet", &required, answers)).await;
    assert_eq!(field(&recorder.take_request(), "error.type"), Some("-32602"));
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
const OURS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A span's id, the context that came, and the id of the current span.
type Continued = (u64, TraceContext, Option<u64>);

/// Stands for an implementation of OpenTelemetry.
#[derive(Clone, Default)]
struct Tracer {
    continued: Arc<Mutex<Vec<Continued>>>,
    panics: bool,
}

impl Propagation for Tracer {
    fn continue_trace(&self, span: &Span, remote: &TraceContext) {
        assert!(!self.panics, "the tracer is broken");
        let id = |span: &Span| span.id().map(|id| id.into_u64());
        let continued = (id(span).expect("an enabled span"), remote.clone(), id(&Span::current()));
        self.continued.lock().expect("no panic").push(continued);
    }

    fn inject(&self, span: &Span) -> TraceContext {
        let mut context = TraceContext::new();
        if span.metadata().is_some_and(|metadata| metadata.name() == "mcp.request") {
            context.set("traceparent", OURS);
        }
        context
    }
}

fn tracing_tool() -> ToolRegistry {
    let told = async |_: NoArguments, cx: CallContext| {
        let context = cx.trace_context();
        context.and_then(|context| context.get("traceparent").map(str::to_owned)).unwrap_or_default()
    };
    ToolRegistry::builder().tool("told", "", told).build().expect("valid tools")
}

#[tokio::test]
async fn a_trace_goes_on_from_the_client_to_what_the_handler_calls() {
    let (tracer, recorder) = (Tracer::default(), Recorder::default());
    let site = Site::with(tracing_tool(), |builder| builder.propagation(tracer.clone()));
    let _guard = recorder.keep();
    for era in Era::BOTH {
        let meta = json!({"traceparent": PARENT, "tracestate": "rojo=1", "baggage": "user=ada"});
        let http = tracing::info_span!("http");
        let http_id = http.id().map(|id| id.into_u64());
        let mut handling = std::pin::pin!(site.send(Post::call_with_meta(era, "told", json!({}), meta)));
        let answer = poll_fn(|cx| http.in_scope(|| handling.as_mut().poll(cx))).await;
        assert_eq!(answer.tool_text(), OURS);
        let span = recorder.take_request();
        let [(id, remote, current)] = &std::mem::take(&mut *tracer.continued.lock().expect("no panic"))[..]
        else {
            panic!("not one trace")
        };
        assert_eq!((*id, *current), (span.id, http_id), "the span of the HTTP request can be linked");
        let members: Vec<_> = remote.iter().collect();
        assert_eq!(members, [("traceparent", PARENT), ("tracestate", "rojo=1"), ("baggage", "user=ada")]);
    }
    // What is not a trace context continues nothing.
    for meta in [json!({}), json!({"traceparent": "00-1-2-3"}), json!({"traceparent": 7, "baggage": "\n"})] {
        site.send(Post::call_with_meta(Era::Modern, "told", json!({}), meta)).await;
    }
    assert!(tracer.continued.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_broken_tracer_breaks_no_request() {
    let recorder = Recorder::default();
    let site = Site::with(tracing_tool(), |builder| {
        builder.propagation(Tracer { panics: true, ..Tracer::default() })
    });
    let _guard = recorder.keep();
    let post = Post::call_with_meta(Era::Modern, "told", json!({}), json!({"traceparent": PARENT}));
    assert_eq!(site.send(post).await.tool_text(), OURS);
    assert!(recorder.events().iter().any(|event| event.fields["message"] == "the propagation panicked"));
}
