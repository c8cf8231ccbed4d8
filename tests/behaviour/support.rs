//! A server in memory, requests to it, and tools that record what happens to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use mcp_stateless::call::NoArguments;
use mcp_stateless::manager::{Body, ManagerBuilder};
use mcp_stateless::protocol::{ClientCapability, LogLevel};
use mcp_stateless::{CallContext, Json, Principal, StatelessSessionManager, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const ALL_VERSIONS: [&str; 4] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];

/// A manager with its tools.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) manager: StatelessSessionManager,
    pub(crate) tools: ToolRegistry,
    pub(crate) probe: Probe,
}

/// Counts what happens to the tools.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<Counts>);

#[derive(Default)]
struct Counts {
    running: AtomicUsize,
    finished: AtomicUsize,
    sent: AtomicUsize,
    changed: Notify,
}

/// Counts as running until it is dropped.
pub(crate) struct Running(Probe);

impl Probe {
    pub(crate) fn run(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        Running(self.clone())
    }

    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    pub(crate) fn finished(&self) -> usize {
        self.0.finished.load(Ordering::SeqCst)
    }

    pub(crate) fn sent(&self) -> usize {
        self.0.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn finish(&self) {
        self.0.finished.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    fn count_sent(&self) {
        self.0.sent.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until `reached` holds.
    pub(crate) async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.0.changed.notify_waiters();
    }
}

#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Steps {
    steps: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Place {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Point {
    x: i64,
    y: i64,
}

fn tools(probe: &Probe) -> ToolRegistry {
    let (waiting, detached, sending) = (probe.clone(), probe.clone(), probe.clone());
    ToolRegistry::builder()
        .tool("add", "Add two integers", async |Pair { a, b }: Pair| a + b)
        .tool("echo", "Say a text again", async |Text { text }: Text| text)
        .tool("fail", "Fail", async || -> Result<(), ToolError> { Err(ToolError::new("out of luck")) })
        .tool("panic", "Panic", async || -> String { panic!("a secret") })
        .tool("panic_at_once", "Panic before there is a future", || -> std::future::Ready<()> {
            panic!("a secret")
        })
        .tool("wait", "Wait for ever", move |_: NoArguments| {
            let running = waiting.run();
            async move {
                std::future::pending::<()>().await;
                drop(running);
            }
        })
        .register(
            Tool::new("wait_briefly", "Wait for ever, within a limit", async || {
                std::future::pending::<()>().await;
            })
            .time_limit(Some(Duration::from_secs(7))),
        )
        .register(
            Tool::new("detached", "Take a minute whatever happens", move |_: NoArguments| {
                let (running, probe) = (detached.run(), detached.clone());
                async move {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    drop(running);
                    probe.finish();
                    "done"
                }
            })
            .detached(),
        )
        .tool("progress", "Report progress", move |Steps { steps }: Steps, cx: CallContext| {
            let probe = sending.clone();
            async move {
                let running = probe.run();
                for step in 1..=steps {
                    cx.progress(step.into(), Some(steps.into()), "working").await;
                    probe.count_sent();
                }
                drop(running);
                "done"
            }
        })
        .tool(
            "unruly_progress",
            "Report progress that does not increase",
            async |_: NoArguments, cx: CallContext| {
                for progress in [1.0, 1.0, 0.5, f64::NAN, 2.0] {
                    cx.progress(progress, None, "").await;
                }
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    cx.progress(3.0, None, "too late").await;
                });
                "done"
            },
        )
        .tool(
            "slow_progress",
            "Report progress, then wait a minute",
            async |_: NoArguments, cx: CallContext| {
                cx.progress(1.0, None, "").await;
                tokio::time::sleep(Duration::from_secs(60)).await;
                "done"
            },
        )
        .tool("log", "Log at every level", async |_: NoArguments, cx: CallContext| {
            cx.log(LogLevel::Debug, "details").await;
            cx.log_as("disk", LogLevel::Warning, json!({"left": 3})).await;
            cx.log(LogLevel::Emergency, "fire").await;
            "logged"
        })
        .tool("request", "Tell about the request", describe_request)
        .tool("point", "Structured content", async |point: Point| Json(point))
        .tool("points", "Structured content that is no object", async |point: Point| Json(vec![point]))
        .tool("place", "Repeat an argument in a header", async |place: Place| place.region)
        .register(
            Tool::new("sample", "Need sampling", async || "sampled").requires(ClientCapability::Sampling),
        )
        .tool("sample_later", "Need sampling, as it turns out", async |_: NoArguments, cx: CallContext| {
            cx.require(ClientCapability::Sampling)?;
            Ok::<_, ToolError>("sampled")
        })
        .build()
        .expect("valid tools")
}

async fn describe_request(_: NoArguments, cx: CallContext) -> String {
    let header = cx.headers().get("x-custom").map(|value| value.to_str().expect("ASCII").to_owned());
    let description = json!({
        "method": cx.method().as_str(),
        "uri": cx.uri().to_string(),
        "header": header,
        "extension": cx.extensions().get::<&'static str>(),
        "revision": cx.revision().as_str(),
        "client": cx.client_info(),
        "capabilities": cx.client_capabilities(),
        "traceparent": cx.traceparent(),
        "tracestate": cx.tracestate(),
        "baggage": cx.baggage(),
        "vendor": cx.meta::<Value>("com.example/vendor"),
    });
    description.to_string()
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let manager = set(StatelessSessionManager::builder("test", "0.0.1").title("Test")).build();
        let probe = Probe::default();
        Self { manager: manager.expect("valid settings"), tools: tools(&probe), probe }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, post: Post) -> Answer {
        Answer::read(self.handle(post).await).await
    }

    /// Sends a request. Does not read its answer.
    pub(crate) async fn handle(&self, post: Post) -> Response<Body> {
        self.manager.handle(post.into_request(), &self.tools).await
    }
}

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Post {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    principal: Option<Principal>,
}

impl Post {
    pub(crate) fn raw(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut post = Self { method: Method::POST, headers: HeaderMap::new(), body, principal: None };
        for (name, value) in [
            ("host", "localhost:8000"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ] {
            post = post.header(name, value);
        }
        post
    }

    /// Creates a request of the legacy era, without a version header.
    pub(crate) fn legacy(method: &str, params: &Value) -> Self {
        Self::raw(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
    }

    /// Creates a complete request of the modern era.
    pub(crate) fn modern(method: &str, mut params: Value) -> Self {
        let name = params["name"].as_str().or(params["uri"].as_str()).map(str::to_owned);
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(more) = params["_meta"].as_object() {
            meta.as_object_mut().expect("an object").extend(more.clone());
        }
        params["_meta"] = meta;
        let mut post =
            Self::legacy(method, &params).header("mcp-protocol-version", MODERN).header("mcp-method", method);
        if let Some(name) = name {
            post = post.header("mcp-name", &name);
        }
        post
    }

    /// Creates a `tools/call` of either era.
    pub(crate) fn call(era: Era, tool: &str, arguments: Value) -> Self {
        Self::call_with_meta(era, tool, arguments, json!({}))
    }

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    pub(crate) fn call_with_meta(era: Era, tool: &str, arguments: Value, meta: Value) -> Self {
        let mut params = json!({"name": tool, "arguments": arguments});
        params["_meta"] = meta;
        era.post("tools/call", params)
    }

    /// Sets the caller, as the host's authentication does.
    pub(crate) fn of(mut self, principal: &str) -> Self {
        self.principal = Some(Principal::new(principal));
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        self
    }

    /// Adds a header, without replacing others of the same name.
    pub(crate) fn line(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Returns the body, shared with the request.
    pub(crate) fn text(&self) -> Bytes {
        self.body.clone()
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Replaces a part of the body's text.
    pub(crate) fn edit(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body.to_vec()).expect("UTF-8");
        assert!(text.contains(from), "{text} has no {from}");
        self.body(text.replace(from, to))
    }

    pub(crate) fn into_request(self) -> Request<http_body_util::Full<Bytes>> {
        let mut request = Request::new(http_body_util::Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = "/mcp".parse().expect("a path");
        *request.headers_mut() = self.headers;
        if let Some(principal) = self.principal {
            request.extensions_mut().insert(principal);
        }
        request
    }
}

/// Both eras, for tests that cover both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(crate) const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn post(self, method: &str, params: Value) -> Post {
        match self {
            Self::Legacy => Post::legacy(method, &params),
            Self::Modern => Post::modern(method, params),
        }
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        assert!(!head.headers.contains_key("mcp-session-id"), "a session id was sent");
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Returns the JSON message of the body.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.content_type(), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Returns the messages of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.content_type(), "text/event-stream", "{self:?}");
        events(self.text())
    }

    /// Returns the text of a call's result.
    pub(crate) fn tool_text(&self) -> String {
        self.json()["result"]["content"][0]["text"].as_str().expect("a text").to_owned()
    }

    /// Returns the status and the code of an error.
    pub(crate) fn error(&self) -> (u16, i64) {
        let code = self.json()["error"]["code"].as_i64();
        (self.status.as_u16(), code.unwrap_or_else(|| panic!("no error: {self:?}")))
    }

    pub(crate) fn error_message(&self) -> String {
        self.json()["error"]["message"].as_str().expect("a message").to_owned()
    }
}

/// Returns the messages in the text of a stream, which has only data lines and comments.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let blocks = text.split_terminator("\n\n").filter(|block| *block != ":");
    blocks
        .map(|block| {
            let data = block.strip_prefix("data: ").unwrap_or_else(|| panic!("not data: {block:?}"));
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
        })
        .collect()
}

/// Returns the next frame of a response, if it is ready.
pub(crate) async fn next_frame(response: &mut Response<Body>) -> Option<String> {
    let frame = response.body_mut().frame().await?.expect("infallible");
    Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8"))
}
