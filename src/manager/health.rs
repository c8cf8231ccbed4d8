//! Health checks of load balancers and orchestrators.

use http::{Response, StatusCode, header};

use super::handle::StatelessSessionManager;
use crate::http::retry_after;
use crate::reply::{Body, with_status};

/// Health checks for load balancers and orchestrators. The host mounts them at paths of its choice:
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
/// They do not depend on a store or another server. If a store fails, calls that do not need it are still
/// served; a readiness that depended on the store would take all replicas out of service at once.
impl StatelessSessionManager {
    /// Returns the response to a readiness check: 200 if new requests may be sent to this process, and 503
    /// after [`announce_shut_down`](Self::announce_shut_down) or [`shut_down`](Self::shut_down) was called
    /// on this manager or on one that it is joined with.
    pub fn readiness(&self) -> Response<Body> {
        if !self.settings().drain.is_announced() {
            return text(StatusCode::OK, "ready\n");
        }
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        response.headers_mut().extend(retry_after("1"));
        response
    }

    /// Returns the response to a liveness check: always 200, even while the server shuts down. A process
    /// that does not respond has to be restarted.
    pub fn liveness(&self) -> Response<Body> {
        text(StatusCode::OK, "alive\n")
    }

    /// Makes [`readiness`](Self::readiness) return 503 while requests are still served. Call it some time
    /// before [`shut_down`](Self::shut_down), because a load balancer needs time to notice, and sends
    /// requests until then. `serve` calls it if `announce_for` is set.
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
