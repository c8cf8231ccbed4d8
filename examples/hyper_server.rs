//! The tools of `common/tools.rs` without a framework, and with custom limits.
//!
//! `cargo run --example hyper_server --features serve -- --addr 127.0.0.1:8000`
//!
//! [`serve`](mcp_stateless::serve) is a loop around hyper with the limits that a public server
//! needs. If you accept connections yourself, pass the same service to hyper:
//! `hyper::server::conn::http1::Builder::new().serve_connection(io, service)`.

use std::time::Duration;

use mcp_stateless::StatelessSessionManager;
use mcp_stateless::serve::{self, serve};

mod common;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let manager = StatelessSessionManager::builder("hyper_server", env!("CARGO_PKG_VERSION")).build()?;
    let service = manager.service(common::tools::all()?).at("/mcp");
    let ended = serve(common::listen().await?, service)
        .max_connections(2000)
        .idle_timeout(Duration::from_secs(120))
        .shutdown_on(signals)
        .drain(&manager)
        .drain_timeout(Duration::from_secs(5))
        .await;
    println!("connections that were cut: {}", ended.cut_connections);
    Ok(())
}
