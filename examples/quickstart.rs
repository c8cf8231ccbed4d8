//! A first server: the four tools of `common/tools.rs`, on this machine only.
//!
//! `cargo run --example quickstart --features serve -- --addr 127.0.0.1:8000`

use mcp_stateless::StatelessSessionManager;
use mcp_stateless::serve::{self, serve};

mod common;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let manager = StatelessSessionManager::builder("quickstart", env!("CARGO_PKG_VERSION"))
        .instructions("Adds, multiplies, echoes and counts down.")
        .build()?;
    let service = manager.service(common::tools::all()?).at("/mcp");
    serve(common::listen().await?, service).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
