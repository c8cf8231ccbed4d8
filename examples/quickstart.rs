//! A first server: the four tools of `common/tools.rs` on axum, on this machine only.
//!
//! `cargo run --example quickstart -- --addr 127.0.0.1:8000`

use mcp_stateless::StatelessSessionManager;

mod common;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manager = StatelessSessionManager::builder("quickstart", env!("CARGO_PKG_VERSION"))
        .instructions("Adds, multiplies, echoes and counts down.")
        .build()?;
    let app = axum::Router::new().route_service("/mcp", manager.service(common::tools::all()?));

    let listener = common::listen().await?;
    axum::serve(listener, app).with_graceful_shutdown(common::ctrl_c()).await?;
    Ok(())
}
