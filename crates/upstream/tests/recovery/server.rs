//! An HTTP server that a test controls.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use mcp_stateless_upstream::{Upstream, UpstreamBuilder};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// A request that has arrived: its HTTP method, the method of its message, and its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) method: String,
    pub(crate) session: Option<String>,
}

#[derive(Default)]
struct Told {
    sessions: HashSet<String>,
    begun: usize,
    arrivals: Vec<Arrival>,
    /// The error statuses of the next requests, by method.
    refusals: HashMap<String, Vec<StatusCode>>,
    /// Gates that hold the first request of a method, or the first call of a tool.
    gates: HashMap<String, Arc<Semaphore>>,
    tools: Vec<&'static str>,
}

/// Serves both eras, with sessions in the legacy one, and one connection for each request.
#[derive(Clone)]
pub(crate) struct Server {
    told: Arc<Mutex<Told>>,
    arrived: Arc<tokio::sync::Notify>,
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let told = Arc::new(Mutex::new(Told { tools: vec!["add"], ..Told::default() }));
        let arrived = Arc::default();
        let state = (Arc::clone(&told), Arc::clone(&arrived));
        let app = Router::new().route("/mcp", any(answer)).with_state(state);
        let accepting = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Self { told, arrived, address, accepting }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("not poisoned")
    }

    pub(crate) fn upstream(&self) -> UpstreamBuilder {
        Upstream::http(format!("http://{}/mcp", self.address)).name("server")
    }

    /// Forgets every session, as a restart does.
    pub(crate) fn forget(&self) {
        self.told().sessions.clear();
    }

    /// Refuses new connections. Open ones are kept.
    pub(crate) fn refuse_connections(&self) {
        self.accepting.abort();
    }

    pub(crate) fn has_tools(&self, tools: &[&'static str]) {
        self.told().tools = tools.to_vec();
    }

    /// Responds to the next requests of a method with these statuses.
    pub(crate) fn refuse(&self, method: &str, statuses: &[StatusCode]) {
        self.told().refusals.insert(method.to_owned(), statuses.iter().rev().copied().collect());
    }

    /// Holds the first request of a method, or the first call of a tool, until a permit is added.
    pub(crate) fn hold(&self, name: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.told().gates.insert(name.to_owned(), Arc::clone(&gate));
        gate
    }

    pub(crate) fn arrivals(&self, method: &str) -> Vec<Arrival> {
        self.told().arrivals.iter().filter(|arrival| arrival.method == method).cloned().collect()
    }

    /// Waits until `count` requests of a method have arrived.
    pub(crate) async fn arrive(&self, method: &str, count: usize) {
        let all = async {
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                if self.arrivals(method).len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        let hangs = format!("{count} requests of {method} never arrive");
        tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect(&hangs);
    }
}

type Shared = (Arc<Mutex<Told>>, Arc<tokio::sync::Notify>);

async fn answer(
    State((told, arrived)): State<Shared>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = message["method"].as_str().map_or_else(|| method.to_string(), str::to_owned);
    let session = headers.get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let name = message["params"]["name"].as_str().unwrap_or(&method).to_owned();
    let (gate, refusal) = {
        let mut told = told.lock().expect("not poisoned");
        told.arrivals.push(Arrival { method: method.clone(), session: session.clone() });
        (told.gates.remove(&name), told.refusals.get_mut(&method).and_then(Vec::pop))
    };
    arrived.notify_waiters();
    if let Some(gate) = gate {
        gate.acquire().await.expect("open").forget();
    }
    if let Some(status) = refusal {
        return status.into_response();
    }
    let mut told = told.lock().expect("not poisoned");
    if session.is_some_and(|session| !told.sessions.contains(&session)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let modern = headers.get("mcp-protocol-version").is_some_and(|version| version == "2026-07-28");
    let capabilities = json!({"tools": {"listChanged": true}});
    let result = match &*method {
        "initialize" => {
            told.begun += 1;
            let session = format!("session-{}", told.begun);
            told.sessions.insert(session.clone());
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                "serverInfo": {"name": "server", "version": "1"}});
            let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
            let head = [("content-type", "application/json"), ("mcp-session-id", &session)];
            return (head, answer).into_response();
        }
        "server/discover" => json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities}),
        "tools/list" => {
            let tools = told.tools.iter();
            let tools: Vec<_> =
                tools.map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
            json!({"tools": tools})
        }
        "tools/call" => {
            let era = if modern { "modern" } else { "legacy" };
            json!({"content": [{"type": "text", "text": era}]})
        }
        "GET" | "subscriptions/listen" => {
            let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
            return ([("content-type", "text/event-stream")], body).into_response();
        }
        "DELETE" => return StatusCode::OK.into_response(),
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
    ([("content-type", "application/json"), ("connection", "close")], answer).into_response()
}

/// Polls until `holds` returns true, for conditions without an event.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let trying = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), trying).await.expect(what);
}
