//! The shortest server: each method is a tool, and its doc comment is the description.
//!
//! `cargo run --example macros --features macros,serve`

use mcp_stateless::{StatelessSessionManager, serve, tools};

struct Math;

#[tools]
impl Math {
    /// Adds two integers.
    fn add(a: i64, b: i64) -> i64 {
        a + b
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = StatelessSessionManager::builder("math", "1.0.0").build()?.service(Math::tools().build()?);
    serve(tokio::net::TcpListener::bind("127.0.0.1:8000").await?, service.at("/mcp")).await;
    Ok(())
}
