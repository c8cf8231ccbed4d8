//! A server in memory, requests to it, and tools that record what happens to them.

mod answer;
mod post;
mod probe;

use std::time::Duration;

use http::Response;
use mcp_stateless::call::NoArguments;
use mcp_stateless::manager::{Body, ManagerBuilder};
use mcp_stateless::protocol::{ClientCapability, LogLevel};
use mcp_stateless::{CallContext, Json, StatelessSessionManager, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) use self::answer::{Answer, events, next_frame};
pub(crate) use self::post::{Era, MODERN, Post};
pub(crate) use self::probe::Probe;

pub(crate) const ALL_VERSIONS: [&str; 4] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];

/// A manager with its tools.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) manager: StatelessSessionManager,
    pub(crate) tools: ToolRegistry,
    pub(crate) probe: Probe,
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
        "vendor": cx.meta::<serde_json::Value>("com.example/vendor"),
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
