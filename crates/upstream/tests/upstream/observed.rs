//! What is seen of an upstream: a span for each request, whose context travels on, and an observer.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use mcp_stateless::call::NoArguments;
use mcp_stateless::observe::{Propagation, TraceContext};
use mcp_stateless::protocol::{self, RpcError};
use mcp_stateless::{CallContext, StatelessSessionManager, ToolError, ToolRegistry};
use mcp_stateless_upstream::{EndedUpstreamRequest, Upstream, UpstreamBuilder, UpstreamObserver};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::cast::eventually;
use super::gateway::{Era, Gateway, Params};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

/// A server of this crate, over HTTP. Its tool `trace` tells the trace context that it gets.
async fn server() -> UpstreamBuilder {
    let tools = ToolRegistry::builder()
        .tool("trace", "", async |_: NoArguments, cx: CallContext| {
            json!([cx.traceparent(), cx.tracestate(), cx.baggage()]).to_string()
        })
        .tool("fail", "", async || Err::<(), _>(ToolError::new("out of luck")))
        .tool("refuse", "", async || Err::<(), _>(RpcError::invalid_params("no")))
        .build()
        .expect("valid tools");
    let manager = StatelessSessionManager::builder("inner", "1.0.0").build().expect("valid settings");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = axum::Router::new().route_service("/mcp", manager.service(tools));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Upstream::http(format!("http://{address}/mcp?secret")).name("inner")
}

/// Makes `subscriber` that of this thread until the guard is dropped.
///
/// While a process has one subscriber only, `tracing` asks the thread that reaches an event first
/// whether anyone wants it. That may be a thread of another test, which has none, so there are always
/// two more.
pub(crate) fn subscribe(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| std::array::from_fn(|_| Dispatch::new(NoSubscriber::new())));
    LazyLock::force(&OTHERS);
    tracing::dispatcher::set_default(&subscriber.into())
}

#[derive(Clone, Debug)]
struct Recorded {
    name: &'static str,
    parent: Option<&'static str>,
    fields: BTreeMap<String, String>,
    is_closed: bool,
}

/// Records the spans of a test's thread, by id.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<BTreeMap<u64, Recorded>>>);

impl Recorder {
    /// Returns the closed spans of requests to the upstream with this method, and forgets them.
    fn take(&self, method: &str) -> Vec<Recorded> {
        let mut spans = self.0.lock().expect("no panic");
        let is_it = |span: &Recorded| {
            span.name == "mcp.upstream_request" && span.is_closed && span.fields["mcp.method.name"] == method
        };
        let ids: Vec<_> = spans.iter().filter(|(_, span)| is_it(span)).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| spans.remove(&id)).collect()
    }
}

#[derive(Default)]
struct Texts(BTreeMap<String, String>);

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Texts::default();
        attributes.record(&mut fields);
        let parent = context.span(id).and_then(|span| Some(span.parent()?.name()));
        let span =
            Recorded { name: attributes.metadata().name(), parent, fields: fields.0, is_closed: false };
        self.0.lock().expect("no panic").insert(id.into_u64(), span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Texts::default();
        values.record(&mut fields);
        if let Some(span) = self.0.lock().expect("no panic").get_mut(&id.into_u64()) {
            span.fields.extend(fields.0);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if let Some(span) = self.0.lock().expect("no panic").get_mut(&id.into_u64()) {
            span.is_closed = true;
        }
    }
}

#[tokio::test]
async fn each_request_to_an_upstream_is_a_client_span_within_that_of_its_call() {
    let recorder = Recorder::default();
    let _guard = subscribe(Registry::default().with(recorder.clone()));
    for (era, spoken, revision) in [
        (Era::Legacy, protocol::Era::Legacy, "2025-11-25"),
        (Era::Modern, protocol::Era::Modern, "2026-07-28"),
    ] {
        let gateway = Gateway::new(server().await.era(spoken));
        let client = gateway.client(era, "ada");
        for (tool, error) in [("trace", None), ("fail", Some("tool_error")), ("refuse", Some("-32602"))] {
            client.call(tool, json!({})).await;
            let spans = recorder.take("tools/call");
            let [span] = &spans[..] else { panic!("not one span: {spans:#?}") };
            let field = |name: &str| span.fields.get(name).map(String::as_str);
            assert_eq!(span.parent, Some("mcp.request"), "{span:?}");
            for (name, value) in [
                ("gen_ai.tool.name", tool),
                ("gen_ai.operation.name", "execute_tool"),
                ("mcp_stateless.upstream", "inner"),
                ("mcp.protocol.version", revision),
                ("network.transport", "tcp"),
                ("network.protocol.name", "http"),
                ("server.address", "127.0.0.1"),
            ] {
                assert_eq!(field(name), Some(value), "{span:?}");
            }
            if cfg!(feature = "otel") {
                assert_eq!(field("otel.kind"), Some("client"));
                assert_eq!(field("otel.name"), Some(&*format!("tools/call {tool}")));
                assert_eq!(field("otel.status_code"), error.map(|_| "ERROR"));
            }
            assert_eq!(field("error.type"), error);
            assert!(span.fields.values().all(|value| !value.contains("secret")), "{span:?}");
        }
        let opening = if era == Era::Legacy { "initialize" } else { "server/discover" };
        assert!(!recorder.take(opening).is_empty());
    }
}

#[tokio::test]
async fn without_a_propagation_the_clients_trace_is_passed_on_as_it_is() {
    let gateway = Gateway::new(server().await);
    for (meta, told) in [
        (
            json!({"traceparent": PARENT, "tracestate": "rojo=1", "baggage": "user=ada"}),
            json!([PARENT, "rojo=1", "user=ada"]),
        ),
        (json!({"traceparent": "of another kind"}), json!(["of another kind", null, null])),
        (json!({}), json!([null, null, null])),
    ] {
        for era in Era::BOTH {
            let params = Params::call("trace", json!({})).with("_meta", meta.clone());
            let answer = gateway.client(era, "ada").ask("tools/call", params).await;
            let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
            assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), told);
        }
    }
}

/// Stands for an implementation of OpenTelemetry: the id of a span is its place in the trace.
struct Tracer;

impl Propagation for Tracer {
    fn continue_trace(&self, _: &Span, _: &TraceContext) {}

    fn inject(&self, span: &Span) -> TraceContext {
        let mut context = TraceContext::new();
        let id = span.id().map(|id| id.into_u64()).filter(|_| is_to_upstream(span));
        if let Some(id) = id {
            context.set("traceparent", format!("00-0af7651916cd43dd8448eb211c80319c-{id:016x}-01"));
        }
        context
    }
}

fn is_to_upstream(span: &Span) -> bool {
    span.metadata().is_some_and(|metadata| metadata.name() == "mcp.upstream_request")
}

#[tokio::test]
async fn the_context_of_the_span_to_the_upstream_travels_on() {
    let _guard = subscribe(Registry::default());
    let gateway = Gateway::with(server().await, |manager| manager.propagation(Tracer));
    for era in Era::BOTH {
        let meta = json!({"traceparent": PARENT, "tracestate": "rojo=1", "com.example/x": 1});
        let params = Params::call("trace", json!({})).with("_meta", meta);
        let answer = gateway.client(era, "ada").ask("tools/call", params).await;
        let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
        let told: [Option<String>; 3] = serde_json::from_str(text).expect("JSON");
        let parent = told[0].as_deref().expect("a context");
        assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && parent != PARENT, "{parent}");
        // What the client sent belongs to the client's span.
        assert_eq!(told[1], None);
    }
}

/// Writes down what it hears.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<String>>);

impl Notes {
    fn note(&self, line: &str) {
        writeln!(self.0.lock().expect("no panic"), "{line}").expect("a string takes everything");
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

impl UpstreamObserver for Notes {
    fn request_ended(&self, request: &EndedUpstreamRequest<'_>) {
        let EndedUpstreamRequest { upstream, method, target, revision, transport, end, duration, .. } =
            request;
        assert!(*duration < Duration::from_secs(60));
        self.note(&format!("{upstream} {method} {target:?} {revision} {transport} {end:?}"));
    }

    fn session_opened(&self, upstream: &str) {
        self.note(&format!("{upstream} opened"));
    }

    fn session_ended(&self, upstream: &str, _: Duration) {
        self.note(&format!("{upstream} ended"));
    }
}

#[tokio::test]
async fn requests_and_sessions_are_counted_and_clients_invent_no_names() {
    let notes = Notes::default();
    let gateway = Gateway::new(server().await.era(protocol::Era::Modern).observer(notes.clone()));
    let client = gateway.client(Era::Modern, "ada");
    client.ask("tools/list", Params(json!({}))).await;
    let opening = notes.take();
    for line in [
        "inner opened\n",
        "inner server/discover None 2026-07-28 tcp Success\n",
        "inner tools/list None 2026-07-28 tcp Success\n",
    ] {
        assert!(opening.contains(line), "{opening}");
    }
    for (tool, line) in [
        ("trace", "inner tools/call Some(Tool(\"trace\")) 2026-07-28 tcp Success\n"),
        ("fail", "inner tools/call Some(Tool(\"fail\")) 2026-07-28 tcp ToolError\n"),
        ("made_up", "inner tools/call None 2026-07-28 tcp Error(ErrorCode(-32602))\n"),
    ] {
        client.call(tool, json!({})).await;
        assert_eq!(notes.take(), line);
    }
    assert_eq!(gateway.upstream.stats().open, 1);
    gateway.upstream.shut_down().await;
    eventually("the session ends", async || notes.0.lock().expect("no panic").contains("inner ended\n"))
        .await;
    let rest = notes.take();
    assert!(!rest.contains("Cancelled"), "a subscription that is closed has not failed: {rest}");
}
