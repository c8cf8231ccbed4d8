//! The stories with `rmcp`.
//!
//! Its eras: `auto` tries `server/discover` and falls back to the handshake, `pinned` accepts only
//! the modern revision, and `legacy` (the default of `rmcp`) uses the handshake.

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError,
    model::{
        CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ErrorCode, JsonObject,
        ListToolsResult, ProgressNotificationParam, ProtocolVersion, ServerResult,
    },
    service::{NotificationContext, PeerRequestOptions, RequestHandle, RunningService},
    transport::StreamableHttpClientTransport,
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

const CLIENTS_AT_ONCE: u64 = 20;

/// Runs `stories` in order. Each may have prefixes of tools' names, as `story:prefix,...`.
pub async fn goes_through(stories: &[&str], era: &'static str, revision: &'static str, url: &str) {
    let connector = Connector::new(era, revision, url);
    for story in stories {
        let (story, prefixes) = story.split_once(':').unwrap_or((story, ""));
        match story {
            "reconnecting" => connector.reconnecting(prefixes, 1).await,
            "merged" => connector.merged(prefixes).await,
            "many_at_once" => connector.many_at_once().await,
            "progress" => connector.progress().await,
            "errors" => connector.errors().await,
            "cancelling" => connector.cancelling().await,
            unknown => panic!("no story is called {unknown}"),
        }
    }
}

#[derive(Clone)]
pub struct Connector {
    era: &'static str,
    revision: &'static str,
    url: String,
}

impl Connector {
    pub fn new(era: &'static str, revision: &'static str, url: &str) -> Self {
        Self { era, revision, url: url.to_owned() }
    }

    pub async fn connect(&self) -> Client {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        let lifecycle = match self.era {
            "auto" => ClientLifecycleMode::Auto { preferred_versions, legacy_version: None },
            "pinned" => ClientLifecycleMode::Discover { preferred_versions },
            "legacy" => ClientLifecycleMode::Initialize,
            unknown => panic!("rmcp has no era {unknown}"),
        };
        let (sender, progress) = unbounded_channel();
        let service = Handler { progress: sender }
            .serve_with_lifecycle(StreamableHttpClientTransport::from_uri(self.url.as_str()), lifecycle)
            .await
            .expect("the server takes the client");
        let server = service.peer_info().expect("the server introduced itself");
        assert_eq!(server.protocol_version.as_str(), self.revision);
        Client { service, progress }
    }

    /// A client connects, works and leaves, and the next one finds the server in the same state.
    async fn reconnecting(&self, prefix: &str, scale: u64) {
        let add = format!("{prefix}add");
        let first = self.connect().await;
        first.gets(&add, (10 * scale, 20 * scale), 30 * scale).await;
        first.leave().await;

        let second = self.connect().await;
        let tools = second.tools().await;
        assert!(tools.contains(&add), "`{add}` is not among {tools:?}");
        second.gets(&add, (100 * scale, 200 * scale), 300 * scale).await;
        second.leave().await;
    }

    /// One server lists the tools of several, each once, and each can be called.
    async fn merged(&self, prefixes: &str) {
        let client = self.connect().await;
        let tools = client.tools().await;
        for prefix in prefixes.split(',') {
            for (tool, expected) in [("add", 30), ("multiply", 200)] {
                let name = format!("{prefix}{tool}");
                assert_eq!(tools.iter().filter(|other| **other == name).count(), 1, "{name} in {tools:?}");
                client.gets(&name, (10, 20), expected).await;
            }
        }
        client.leave().await;
    }

    async fn many_at_once(&self) {
        let mut clients = JoinSet::new();
        for scale in 1..=CLIENTS_AT_ONCE {
            let connector = self.clone();
            clients.spawn(async move { connector.reconnecting("", scale).await });
        }
        clients.join_all().await;
    }

    async fn progress(&self) {
        let mut client = self.connect().await;
        let answer = client.call("countdown", json!({ "from": 3, "interval_ms": 10 })).await;
        assert_eq!(text(&answer.expect("a result")), "liftoff");
        // `rmcp` handles messages that arrive before a result no later than the result.
        for step in 1..=3 {
            let update = client.progress.try_recv().expect("an update for each step");
            assert_eq!((update.progress, update.total), (f64::from(step), Some(3.0)));
            assert!(update.message.is_some());
        }
        client.leave().await;
    }

    async fn errors(&self) {
        let client = self.connect().await;

        let answer = client.call("no_such_tool", json!({})).await;
        let Err(ServiceError::McpError(error)) = answer else {
            panic!("an unknown tool answered {answer:?}");
        };
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
        assert!(error.message.contains("no_such_tool"), "{error:?}");

        let answer = client.call("echo", json!({ "text": 7 })).await.expect("a result");
        assert_eq!(answer.is_error, Some(true), "a number for a text answered {answer:?}");
        assert!(text(&answer).contains("text"), "{answer:?}");

        client.adds(1, 2).await;
        client.leave().await;
    }

    async fn cancelling(&self) {
        let mut client = self.connect().await;
        let call = client.start("countdown", json!({ "from": 100_000, "interval_ms": 20 })).await;
        client.progress.recv().await.expect("an update");
        call.cancel(Some("seen enough".to_owned())).await.expect("the call is given up");
        client.adds(3, 4).await;
        client.leave().await;
    }
}

pub struct Client {
    service: RunningService<RoleClient, Handler>,
    pub progress: UnboundedReceiver<ProgressNotificationParam>,
}

impl Client {
    /// Returns the names of the listed tools.
    pub async fn tools(&self) -> Vec<String> {
        let tools = self.service.list_all_tools().await.expect("the tools are listed");
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// Returns the first page of tools, unchanged.
    pub async fn page_of_tools(&self) -> Result<ListToolsResult, ServiceError> {
        self.service.list_tools(None).await
    }

    pub async fn start(&self, tool: &str, arguments: Value) -> RequestHandle<RoleClient> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(tool, arguments)));
        self.service
            .send_cancellable_request(request, PeerRequestOptions::no_options())
            .await
            .expect("the request is sent")
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        match self.start(tool, arguments).await.await_response().await? {
            ServerResult::CallToolResult(result) => Ok(result),
            other => panic!("{tool} answered {other:?}"),
        }
    }

    async fn adds(&self, a: u64, b: u64) {
        self.gets("add", (a, b), a + b).await;
    }

    async fn gets(&self, tool: &str, (a, b): (u64, u64), expected: u64) {
        let answer = self.service.call_tool(params(tool, json!({ "a": a, "b": b }))).await;
        assert_eq!(text(&answer.expect("a result")), expected.to_string());
    }

    pub async fn leave(self) {
        self.service.cancel().await.expect("the client ends in order");
    }
}

fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let arguments: JsonObject = serde_json::from_value(arguments).expect("arguments are an object");
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)
}

pub fn text(result: &CallToolResult) -> &str {
    let first = result.content.first().and_then(|content| content.as_text());
    &first.expect("the result is a text").text
}

struct Handler {
    progress: UnboundedSender<ProgressNotificationParam>,
}

impl ClientHandler for Handler {
    async fn on_progress(
        &self,
        update: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        // A client that has what it needs drops the other end.
        let _ = self.progress.send(update);
    }
}
