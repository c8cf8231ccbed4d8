//! The server of an issue tracker: twelve tools with shared state, two users with different rights,
//! domain errors, a log line for every call, prompts, resources, a tool that asks its user and one
//! that reports progress. `tests.rs` tests it in memory.
//!
//! `cargo run --example tracker --all-features -- --addr 127.0.0.1:8000`, then send requests with the
//! header `authorization: Bearer ada-secret` (a maintainer) or `Bearer bob-secret` (a reporter).
//! Replicas share the keys in `STATE_KEYS`, 64 hexadecimal digits each.

use std::sync::Arc;
use std::time::Instant;

use axum::routing::get;
use axum::{Router, middleware};
use mcp_stateless::ask::StateKeys;
use mcp_stateless::call::{CallError, FailedCall};
use mcp_stateless::registry::{CallInfo, Next, Outcome};
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{Catalog, ConfigError, Registry, RegistryError, StatelessSessionManager};

mod auth;
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod tests;
mod tracker;

use crate::auth::{Users, authenticate};
use crate::tracker::{Error, Tracker};

/// Everything that the server offers, with a log line for each call.
fn registry(tracker: Tracker) -> Result<impl Registry + Clone, RegistryError> {
    let tracker = Arc::new(tracker);
    let catalog = Catalog::builder()
        .add(Tracker::tools(Arc::clone(&tracker)).build()?)
        .add(Tracker::prompts(Arc::clone(&tracker)).build()?)
        .add(Tracker::resources(tracker).build()?)
        .build()?;
    Ok(catalog.layer(log))
}

/// Logs what is called, by whom, how it ended and how long it took.
async fn log(call: CallInfo, next: Next) -> Result<Outcome, CallError> {
    let start = Instant::now();
    let outcome = next.await;
    let failed = outcome.as_ref().map_or(true, Outcome::is_error);
    let user = call.principal().map_or("nobody", |user| user.as_str());
    tracing::info!(kind = %call.kind(), name = call.name(), user, failed, took = ?start.elapsed(), "call");
    outcome
}

/// Decides which errors clients may read. The others are masked, and logged in full.
fn shown(failed: &FailedCall<'_>) -> Option<String> {
    match failed.error().downcast_ref()? {
        Error::Storage(_) => None,
        error => Some(error.to_string()),
    }
}

fn manager() -> Result<StatelessSessionManager, ConfigError> {
    let mut builder = StatelessSessionManager::builder("tracker", env!("CARGO_PKG_VERSION"))
        .instructions("Search before you create an issue.")
        .on_error(shown);
    if let Ok(keys) = std::env::var("STATE_KEYS") {
        builder = builder.state_keys(keys.parse::<StateKeys>()?);
    }
    builder.build()
}

/// Serves users at `/mcp`, and everyone at `/health`.
fn app(manager: &StatelessSessionManager, registry: impl Registry + Clone + 'static, users: Users) -> Router {
    Router::new()
        .fallback_service(manager.service(registry).at("/mcp"))
        .layer(middleware::from_fn_with_state(users, authenticate))
        .route("/health", get(async || "ok"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let signals = serve::signals()?;
    let manager = manager()?;
    let app = app(&manager, registry(Tracker::new("issues.json"))?, auth::users());
    serve(common::listen().await?, app).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
