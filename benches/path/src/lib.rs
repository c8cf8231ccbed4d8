//! The workloads: requests to a manager in memory. Their futures never wait for I/O, so only the
//! request path is measured.

mod observed;
#[cfg(feature = "auth")]
mod token;
mod variant;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use mcp_stateless::{CallContext, StatelessSessionManager, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub use variant::Variant;

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Countdown {
    from: u32,
}

/// A manager and one request for it.
pub struct Workload {
    name: &'static str,
    manager: StatelessSessionManager,
    /// Checks the token, if the requests have one.
    #[cfg(feature = "auth")]
    authorize: Option<mcp_stateless::manager::Authorize>,
    tools: ToolRegistry,
    request: Request<Full<Bytes>>,
}

/// The workloads, by name.
#[cfg(not(any(feature = "auth", feature = "tasks")))]
pub const NAMES: &[&str] = &[
    "add_legacy",
    "add_modern",
    "list_2",
    "list_100",
    "initialize",
    "discover",
    "echo_64_kib",
    "progress_10",
    "refused_host",
];

/// The workloads of the build with more features, by name. They need a separate build, because these features
/// change how the compiler arranges the code of all others.
#[cfg(any(feature = "auth", feature = "tasks"))]
pub const NAMES: &[&str] = &[
    #[cfg(feature = "auth")]
    "token_legacy",
    #[cfg(feature = "auth")]
    "token_modern",
];

/// The workloads that are measured on a manager without tasks and on one with tasks.
pub const BESIDE_TASKS: &[&str] = if cfg!(feature = "tasks") {
    &["add_legacy", "add_modern", "add_declared", "later_modern", "later_declared"]
} else {
    &[]
};

impl Workload {
    /// Creates the workload with this name.
    ///
    /// # Panics
    /// If there is no such workload, or if its reply is not the expected one.
    pub fn new(name: &'static str) -> Self {
        Self::variant(name, Variant::Plain)
    }

    /// Creates a variant of the workload with this name.
    ///
    /// # Panics
    /// When there is no such workload or variant in this build, or its reply is not as expected.
    pub fn variant(name: &'static str, variant: Variant) -> Self {
        let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
        let add = || call("add", json!({"a": 10, "b": 20}));
        let later = || call("add_later", json!({"a": 10, "b": 20}));
        let asks_about_tasks = || json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
        let (request, expected) = match name {
            "add_legacy" => (legacy("tools/call", &add()), r#""text":"30""#),
            "add_modern" => (modern("tools/call", add()), r#""text":"30""#),
            // The client can ask about tasks.
            "add_declared" => (by_client("tools/call", add(), &asks_about_tasks()), r#""text":"30""#),
            // The tool waits before it answers.
            "later_modern" => (modern("tools/call", later()), r#""text":"30""#),
            "later_declared" => (by_client("tools/call", later(), &asks_about_tasks()), r#""text":"30""#),
            // The same calls with a token whose signature was checked before.
            #[cfg(feature = "auth")]
            "token_legacy" => (with_token(legacy("tools/call", &add())), r#""text":"30""#),
            #[cfg(feature = "auth")]
            "token_modern" => (with_token(modern("tools/call", add())), r#""text":"30""#),
            "list_2" | "list_100" => (legacy("tools/list", &json!({})), r#""name":"add""#),
            "initialize" => (
                legacy("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}})),
                "serverInfo",
            ),
            "discover" => (modern("server/discover", json!({})), "supportedVersions"),
            "echo_64_kib" => (legacy("tools/call", &call("echo", json!({"text": text(64 * 1024)}))), "lorem"),
            "progress_10" => {
                let mut params = call("countdown", json!({"from": 10}));
                params["_meta"] = json!({"progressToken": 1});
                (legacy("tools/call", &params), r#""progress":10"#)
            }
            "refused_host" => {
                let mut request = legacy("tools/call", &add());
                request.headers_mut().insert("host", http::HeaderValue::from_static("evil.example.com"));
                (request, "allowed_hosts")
            }
            other => panic!("there is no workload {other}"),
        };
        let mut builder = StatelessSessionManager::builder("path", "1.0.0");
        if variant == Variant::Counted {
            builder = builder.observer(observed::Count::default());
        }
        #[cfg(feature = "tasks")]
        if variant == Variant::WithTasks {
            let slow = std::time::Duration::from_secs(10);
            builder = builder.tasks(mcp_stateless::task::Tasks::in_process().slow_calls_after(slow));
        }
        let manager = builder.build().expect("valid settings");
        let workload = Self {
            name,
            #[cfg(feature = "auth")]
            authorize: name.starts_with("token_").then(|| token::authorize(&manager)),
            manager,
            tools: tools(if name == "list_100" { 98 } else { 0 }),
            request,
        };
        let reply = workload.answer(workload.request());
        assert!(String::from_utf8_lossy(&reply).contains(expected), "{name}: {reply:?}");
        workload
    }

    /// Returns a workload with the same manager and tools. The requests of both share no memory.
    #[must_use]
    pub fn beside(&self) -> Self {
        let again = Self::new(self.name);
        Self { manager: self.manager.clone(), tools: self.tools.clone(), ..again }
    }

    /// The manager.
    #[must_use]
    pub fn manager(&self) -> &StatelessSessionManager {
        &self.manager
    }

    /// The tools.
    #[must_use]
    pub fn tools(&self) -> &ToolRegistry {
        &self.tools
    }

    /// Creates a request. Not part of [`answer`](Self::answer), so that it is not measured.
    #[must_use]
    pub fn request(&self) -> Request<Full<Bytes>> {
        self.request.clone()
    }

    /// Answers a request. Returns the body of the reply.
    ///
    /// # Panics
    /// If the request is refused before it is handled.
    pub fn answer(&self, request: Request<Full<Bytes>>) -> Bytes {
        run(async {
            #[cfg(feature = "auth")]
            let request = match &self.authorize {
                Some(authorize) => match authorize.check(request).await {
                    Ok(request) => request,
                    Err(refused) => panic!("the token is refused: {refused:?}"),
                },
                None => request,
            };
            let response = self.manager.handle(request, &self.tools).await;
            match response.into_body().collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => match error {},
            }
        })
    }
}

/// Polls a future until it is ready. The futures here are always ready to be polled again.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

fn tools(more: usize) -> ToolRegistry {
    let mut tools = ToolRegistry::builder()
        .tool("add", "Add two integers", async |Add { a, b }: Add| a + b)
        .tool("echo", "Repeat a text", async |Echo { text }: Echo| text)
        .tool("add_later", "Add two integers", async |Add { a, b }: Add| {
            tokio::task::yield_now().await;
            a + b
        });
    if more == 0 {
        tools =
            tools.tool("countdown", "Count down", async |Countdown { from }: Countdown, cx: CallContext| {
                for step in 1..=from {
                    cx.progress(step.into(), Some(from.into()), "").await;
                }
                "liftoff"
            });
    }
    for number in 0..more {
        let schema = json!({"type": "object", "properties": {"text": {"type": "string", "description": "x".repeat(420)}}});
        tools = tools.tool_with_schema(
            format!("tool_{number}"),
            "A tool",
            schema,
            async |Echo { text }: Echo| text,
        );
    }
    tools.build().expect("valid tools")
}

fn post(body: &Value) -> Request<Full<Bytes>> {
    Request::post("/mcp")
        .header("host", "127.0.0.1:8000")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(body.to_string().into()))
        .expect("a request")
}

fn legacy(method: &str, params: &Value) -> Request<Full<Bytes>> {
    let mut request = post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
    request.headers_mut().insert("mcp-protocol-version", http::HeaderValue::from_static("2025-11-25"));
    request
}

fn modern(method: &'static str, params: Value) -> Request<Full<Bytes>> {
    by_client(method, params, &json!({}))
}

/// A request of 2026-07-28 by a client with these capabilities.
fn by_client(method: &'static str, mut params: Value, capabilities: &Value) -> Request<Full<Bytes>> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    let mut request = post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
    let headers = request.headers_mut();
    headers.insert("mcp-protocol-version", http::HeaderValue::from_static("2026-07-28"));
    headers.insert("mcp-method", http::HeaderValue::from_static(method));
    if let Some(name) = params["name"].as_str() {
        headers.insert("mcp-name", name.parse().expect("a header value"));
    }
    request
}

#[cfg(feature = "auth")]
fn with_token(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().insert("authorization", token::bearer());
    request
}

/// Returns a text with an escape about every forty characters, and some non-ASCII characters.
fn text(bytes: usize) -> String {
    "lorem ipsum \"dolor\" sit amet,\nconsectetur adipiscing elit, sed do — "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}
