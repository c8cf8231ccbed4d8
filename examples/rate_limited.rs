//! Limits for each caller: the rate of its requests, and the number of its calls in flight. A caller that
//! exceeds a limit gets 429 with `Retry-After`, and other callers are not affected.
//!
//! The rate limit is a layer of the application, between the authorization, which identifies the caller, and
//! the service. The limit of calls in flight is a setting of the manager, which knows when a call has ended.
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

/// The maximum number of requests of a caller at once, and in each minute.
const BURST: NonZeroU32 = NonZeroU32::new(5).unwrap();
const EACH_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// The maximum number of calls of a caller in flight.
const MOST_CALLS: usize = 4;
/// The number of callers at which those whose limit has recovered are removed.
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

    /// Counts a request. The error is the time that the caller has to wait before its next request.
    fn check(&self, caller: &Principal) -> Result<(), Duration> {
        if self.limiter.len() > MOST_CALLERS {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(caller).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// The layer. It only gets requests with a verified token, so no one can use up the rate of another caller.
async fn limit(State(rates): State<Arc<Rates>>, request: Request, next: Next) -> Response {
    match request.extensions().get::<Principal>().map(|caller| rates.check(caller)) {
        Some(Err(wait)) => too_many(wait),
        _ => next.run(request).await,
    }
}

/// Returns the refusal as a JSON-RPC error. It has no id, because the body was not read.
fn too_many(wait: Duration) -> Response {
    let error = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Too many requests: try again later"}}"#;
    let mut response = Response::new(Body::from(error));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    // In whole seconds, rounded up.
    headers.insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let listener = common::listen().await?;
    let keys =
        ApiKeys::new("keys").key("ada-0123456789abcdef", "ada", []).key("bob-0123456789abcdef", "bob", []);
    let server = ResourceServer::new(&format!("http://{}/mcp", listener.local_addr()?), keys)?;
    let manager = StatelessSessionManager::builder("rate_limited", "1.0.0")
        .max_calls_per_principal(MOST_CALLS)
        .build()?;
    let app = axum::Router::new()
        .route_service("/mcp", manager.service(common::tools::all()?))
        .layer(middleware::from_fn_with_state(Arc::new(Rates::new()), limit))
        // Added after the rate limit, so that it runs before it.
        .layer(manager.authorize(server));
    serve(listener, app).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
