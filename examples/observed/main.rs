//! A server with traces, metrics and logs. It sends traces to an OpenTelemetry collector over OTLP, serves
//! metrics for Prometheus at `/metrics`, and writes logs to standard error.
//!
//! `cargo run --example observed --features otel,serve`
//!
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is the URL of the collector, by default `http://localhost:4318`. `RUST_LOG`
//! filters spans and logs; the default is `info`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mcp_stateless::StatelessSessionManager;
use mcp_stateless::serve::{self, serve};
use tracing::Instrument as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::metrics::Metrics;
use self::traces::Traces;

#[path = "../common/mod.rs"]
mod common;
mod metrics;
mod traces;

/// Runs a request in a span, to which the span of the MCP request is linked.
async fn trace(request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "http.request",
        otel.name = "POST /mcp",
        otel.kind = "server",
        http.request.method = request.method().as_str(),
    );
    next.run(request).instrument(span).await
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let traces = Traces::export()?;
    tracing_subscriber::registry()
        .with(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(traces.layer())
        .init();

    let metrics = Arc::new(Metrics::new());
    let manager = StatelessSessionManager::builder("observed", env!("CARGO_PKG_VERSION"))
        .observer(Arc::clone(&metrics))
        .propagation(traces::W3c::default())
        .build()?;
    let service = manager.service(common::tools::all()?);
    let app = axum::Router::new()
        .route_service("/mcp", service.clone())
        .route_service("/mcp/", service)
        .route_layer(middleware::from_fn(trace))
        .route("/metrics", get(scrape))
        .with_state(metrics);
    serve(common::listen().await?, app).shutdown_on(signals).drain(&manager).await;
    // Send the remaining spans.
    tokio::task::spawn_blocking(move || traces.shut_down()).await??;
    Ok(())
}
