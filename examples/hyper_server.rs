//! The tools of `common/tools.rs` on bare hyper, with no framework between: the
//! least that a server can cost.
//!
//! `cargo run --example hyper_server -- --addr 127.0.0.1:8000`

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_stateless::StatelessSessionManager;

mod common;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manager = StatelessSessionManager::builder("hyper_server", env!("CARGO_PKG_VERSION")).build()?;
    let service = manager.service(common::tools::all()?);

    let listener = common::listen().await?;
    loop {
        let (socket, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = common::ctrl_c() => return Ok(()),
        };
        socket.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}
