//! A server with replicas that share their state in Redis. Any replica serves any request, and each of them
//! may stop at any time. With Redis at port 6379, start a replica:
//!
//! ```sh
//! export REDIS_URL=redis://127.0.0.1:6379
//! export STATE_KEYS=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
//! cargo run -p mcp-stateless-redis --example fleet -- --addr 127.0.0.1:8001
//! ```
//!
//! Start another at port 8002, and nginx in front of both with the `nginx.conf` beside this file:
//!
//! ```sh
//! mkdir -p fleet/temp && cp crates/redis/examples/fleet/nginx.conf fleet/
//! echo 'server 127.0.0.1:8001 max_fails=0; server 127.0.0.1:8002 max_fails=0;' > fleet/replicas.conf
//! echo 'listen 127.0.0.1:8000;' > fleet/listen.conf
//! nginx -p fleet -c nginx.conf -e nginx.log
//! ```
//!
//! The token in `Authorization` identifies the caller; a real server would verify it. To stop nginx, add
//! `-s quit` to its command.
//!
//! Optional environment variables, in seconds:
//!
//! - `LEASE_SECONDS`: when a replica dies, another one takes over its tasks after this time.
//! - `KEEP_SECONDS`: how long the results of tasks are kept.
//! - `ANNOUNCE_SECONDS`: how long a replica continues to serve after SIGTERM, while `/ready` returns 503.

mod counters;
/// The tools that the official conformance suite expects.
#[path = "../../../../examples/everything/tasks.rs"]
mod suite;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::Changes;
use mcp_stateless::serve::{self, serve};
use mcp_stateless::task::Tasks;
use mcp_stateless::{Principal, StatelessSessionManager};
use mcp_stateless_redis::Redis;
use tokio::net::TcpListener;

use crate::counters::Counters;

/// Identifies the caller by the token.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if let Some(token) = token.and_then(|token| token.strip_prefix("Bearer ")) {
        let principal = Principal::new(token);
        request.extensions_mut().insert(principal);
    }
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut args = std::env::args().skip(1);
    let (Some("--addr"), Some(address)) = (args.next().as_deref(), args.next()) else {
        return Err("usage: --addr HOST:PORT".into());
    };
    let keys: StateKeys = std::env::var("STATE_KEYS").map_err(|_| "STATE_KEYS is not set")?.parse()?;
    let url = std::env::var("REDIS_URL").map_err(|_| "REDIS_URL is not set")?;

    let redis = Redis::builder(url.as_str()).prefix("fleet").build()?;
    let bus = Arc::new(redis.bus());
    let counters = Counters::open(&url, Changes::over(Arc::clone(&bus) as _, "counters"))?;
    let tasks = Tasks::shared(Arc::new(redis.task_store()), Arc::clone(&bus) as _)
        .lease(seconds("LEASE_SECONDS", 30))
        .time_limit(Duration::from_secs(300))
        .keep_results_for(seconds("KEEP_SECONDS", 300))
        .max_runs(20) // in the tests, replicas are killed all the time
        .poll_interval(Duration::from_millis(200));
    let manager = StatelessSessionManager::builder("fleet", env!("CARGO_PKG_VERSION"))
        .state_keys(keys)
        .answer_bus(bus)
        .answer_guard(redis.answer_guard())
        .tasks(tasks)
        .build()?;
    let registry = tools::all(&counters)?;
    tokio::spawn({
        let (manager, registry) = (manager.clone(), registry.clone());
        async move { manager.run_tasks(registry).await }
    });

    let (ready, alive) = (manager.clone(), manager.clone());
    let app = axum::Router::new()
        .route_service("/mcp", manager.service(registry))
        .layer(middleware::from_fn(authenticate))
        .route("/ready", get(async move || ready.readiness()))
        .route("/alive", get(async move || alive.liveness()));
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let ended = serve(listener, app)
        .idle_timeout(Duration::from_secs(120)) // longer than the timeout of nginx
        .announce_for(seconds("ANNOUNCE_SECONDS", 0))
        .drain_timeout(Duration::from_secs(20))
        .shutdown_on(signals)
        .drain(&manager)
        .await;
    println!("connections that were cut off: {}", ended.cut_connections);
    Ok(())
}

/// Reads a duration from the environment.
fn seconds(name: &str, default: u64) -> Duration {
    let seconds = std::env::var(name).ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(default))
}
