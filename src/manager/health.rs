//! What a balancer or an orchestrator asks about a process.

use http::{Response, StatusCode, header};

use super::handle::StatelessSessionManager;
use crate::http::retry_after;
use crate::reply::{Body, with_status};

/// Answers to the probes of a balancer or an orchestrator. A host mounts them at paths of its choice:
///
/// ```
/// use axum::routing::get;
/// use mcp_stateless::{StatelessSessionManager, ToolRegistry};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = ToolRegistry::builder().tool("now", "The time", async || "half past").build()?;
/// let manager = StatelessSessionManager::builder("clock", "1.0.0").build()?;
/// let (ready, alive) = (manager.clone(), manager.clone());
/// let app: axum::Router = axum::Router::new()
///     .route_service("/mcp", manager.service(tools))
///     .route("/ready", get(async move || ready.readiness()))
///     .route("/alive", get(async move || alive.liveness()));
/// # Ok(())
/// # }
/// ```
///
/// Neither asks a store or another server: calls that need nothing of it go on while it is away, and
/// no replica would serve them if all were taken out of the balancer at once.
impl StatelessSessionManager {
    /// Answers whether new requests should be sent to this process: 200, or 503 once
    /// [`announce_shut_down`](Self::announce_shut_down) or [`shut_down`](Self::shut_down) was called
    /// on the manager or on one that it is joined with.
    pub fn readiness(&self) -> Response<Body> {
        if !self.settings().drain.is_announced() {
            return text(StatusCode::OK, "ready\n");
        }
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        response.headers_mut().extend(retry_after("1"));
        response
    }

    /// Answers that this process need not be restarted: 200 whenever it answers at all, also while
    /// it shuts down.
    pub fn liveness(&self) -> Response<Body> {
        text(StatusCode::OK, "alive\n")
    }

    /// Makes [`readiness`](Self::readiness) answer 503, although requests are still served. A
    /// balancer needs a moment to notice, and sends requests meanwhile, so call this before
    /// [`shut_down`](Self::shut_down). `serve` does with its `announce_for`.
    pub fn announce_shut_down(&self) {
        self.settings().drain.announce();
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = with_status(status, Body::full(text.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
