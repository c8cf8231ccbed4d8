//! Limits for each caller: how often it may send requests, and how many of its calls may be in flight.
//! A caller that is refused reads when to try again, and the others notice nothing.
//!
//! The rate is the application's, as a layer between the authorization, which knows the caller, and the
//! service. The bound on calls in flight is a setting of the manager, which knows when a call has ended.
//!
//! `cargo run --example rate_limited --features auth,serve`, then send requests with the header
//! `authorization: Bearer ada-0123456789abcdef`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use mcp_stateless::auth::{ApiKeys, ResourceServer};
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{Principal, StatelessSessionManager};

mod common;

/// How many requests a caller may send at once, and how many each minute.
const BURST: NonZeroU32 = NonZeroU32::new(5).unwrap();
const EACH_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// How many of its calls may be in flight.
const MOST_CALLS: usize = 4;
/// How many callers are remembered before those that have waited long enough are forgotten.
const MOST_CALLERS: usize = 10_000;

struct Rates {
    clock: DefaultClock,
    limiter: DefaultKeyedRateLimiter<Principal>,
}

impl Rates {
    fn new() -> Self {
        let quota = Quota::per_minute(EACH_MINUTE).allow_burst(BURST);
        Self { clock: DefaultClock::default(), limiter: RateLimiter::keyed(quota) }
    }

    /// Returns how long the caller has to wait before its next request.
    fn check(&self, caller: &Principal) -> Result<(), Duration> {
        if self.limiter.len() > MOST_CALLERS {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(caller).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// The layer. Only callers whose token was verified get here, so nobody can use up the rate of others.
async fn limit(State(rates): State<Arc<Rates>>, request: Request, next: Next) -> Response {
    match request.extensions().get::<Principal>().map(|caller| rates.check(caller)) {
        Some(Err(wait)) => too_many(wait),
        _ => next.run(request).await,
    }
}

/// A refusal as MCP clients understand it: a JSON-RPC error. It has no id, because the body was not read.
fn too_many(wait: Duration) -> Response {
    let error = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Too many requests: try again later"}}"#;
    let mut response = Response::new(Body::from(error));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    // In whole seconds, and not too early.
    headers.insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let listener = common::listen().await?;
    let keys = ApiKeys::new("keys").key("ada-0123456789abcdef", "ada", [""; 0]).key(
        "bob-0123456789abcdef",
        "bob",
        [""; 0],
    );
    let server = ResourceServer::new(&format!("http://{}/mcp", listener.local_addr()?), keys)?;
    let manager = StatelessSessionManager::builder("rate_limited", "1.0.0")
        .max_calls_per_principal(MOST_CALLS)
        .build()?;
    let app = axum::Router::new()
        .route_service("/mcp", manager.service(common::tools::all()?))
        .layer(middleware::from_fn_with_state(Arc::new(Rates::new()), limit))
        // Outside of the limit, which needs to know the caller.
        .layer(manager.authorize(server));
    serve(listener, app).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
