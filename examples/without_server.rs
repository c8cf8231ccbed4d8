//! Handles one request without a server, as in a serverless function.
//!
//! `cargo run --example without_server`

use http_body_util::BodyExt;
use mcp_stateless::{StatelessSessionManager, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tools =
        ToolRegistry::builder().tool("add", "Add two integers", async |Add { a, b }: Add| a + b).build()?;
    // The platform has routed the request, so any host is allowed.
    let manager = StatelessSessionManager::builder("function", "1.0.0").any_host().build()?;

    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call",
        "params":{"name":"add","arguments":{"a":10,"b":20}}}"#;
    let request = http::Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(message.to_owned())?;

    let (head, body) = manager.handle(request, &tools).await.into_parts();
    let body = body.collect().await?.to_bytes();
    println!("{}\n{}", head.status, String::from_utf8_lossy(&body));
    Ok(())
}
