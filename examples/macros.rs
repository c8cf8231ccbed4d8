//! The least there is to write: a tool is a method with a doc comment.

use mcp_stateless::{StatelessSessionManager, serve::serve, tools};

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
    let manager = StatelessSessionManager::builder("math", "1.0.0").build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    serve(listener, manager.service(Math::tools().build()?).at("/mcp")).await;
    Ok(())
}
