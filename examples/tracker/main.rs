//! The server of an issue tracker: tools with shared state, users with different rights, domain
//! errors, a log line for every call, a question, progress. `tests.rs` tests it in memory.
//!
//! `cargo run --example tracker --all-features`, then send requests with the header
//! `authorization: Bearer ada-secret` (a maintainer) or `Bearer bob-secret` (a reporter).

use std::sync::Arc;
use std::time::Instant;

use axum::{Router, middleware};
use mcp_stateless::call::CallError;
use mcp_stateless::registry::{CallInfo, Next, Outcome};
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{Catalog, ConfigError, Registry, RegistryError, StatelessSessionManager};

mod auth;
#[cfg(test)]
mod tests;
mod tracker;

use crate::auth::authenticate;
use crate::tracker::{Error, Tracker};

/// Returns the tools, prompts and resources, with a log line for each call.
fn registry(tracker: Tracker) -> Result<impl Registry + Clone, RegistryError> {
    let tracker = Arc::new(tracker);
    let (tools, prompts) = (Tracker::tools(Arc::clone(&tracker)), Tracker::prompts(Arc::clone(&tracker)));
    let catalog = Catalog::builder().add(tools.build()?).add(prompts.build()?);
    Ok(catalog.add(Tracker::resources(tracker).build()?).build()?.layer(log))
}

/// Logs the item, the caller, the outcome and the time of each call.
async fn log(call: CallInfo, next: Next) -> Result<Outcome, CallError> {
    let start = Instant::now();
    let outcome = next.await;
    let failed = outcome.as_ref().map_or(true, Outcome::is_error);
    let user = call.principal().map_or("nobody", |user| user.as_str());
    tracing::info!(kind = %call.kind(), name = call.name(), user, failed, took = ?start.elapsed(), "call");
    outcome
}

/// Clients can see the errors of the domain. All other errors are masked and logged.
fn manager() -> Result<StatelessSessionManager, ConfigError> {
    StatelessSessionManager::builder("tracker", env!("CARGO_PKG_VERSION"))
        .instructions("Search before you create an issue.")
        .on_error(|failed| match failed.error().downcast_ref()? {
            Error::Storage(_) => None,
            error => Some(error.to_string()),
        })
        .build()
}

/// Serves the users of valid tokens at `/mcp`.
fn app(manager: &StatelessSessionManager, registry: impl Registry + Clone + 'static) -> Router {
    Router::new()
        .fallback_service(manager.service(registry).at("/mcp"))
        .layer(middleware::from_fn(authenticate))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let signals = serve::signals()?;
    let manager = manager()?;
    let registry = registry(Tracker::new("issues.json"))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    serve(listener, app(&manager, registry)).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
