//! A tool that asks its user, written once for clients of both eras.
//!
//! `cargo run --example ask_the_user --features ask,serve -- --addr 127.0.0.1:8000`
//!
//! Replicas share the keys in the environment variable `STATE_KEYS`, of 64 hexadecimal digits each. Without
//! it, only the process that has asked a client of 2026-07-28 can continue with its answer.

use mcp_stateless::ask::{AskError, StateKeys};
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{CallContext, StatelessSessionManager, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

mod common;

#[derive(Deserialize, JsonSchema)]
struct Order {
    /// What to eat.
    dish: String,
}

#[derive(Deserialize, JsonSchema)]
struct Guests {
    /// How many will eat.
    #[schemars(range(min = 1, max = 20))]
    guests: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Confirm {
    /// Order it now?
    sure: bool,
}

/// Asks before it has any effect, because a client of 2026-07-28 calls again with each answer.
async fn order(Order { dish }: Order, cx: CallContext) -> Result<String, ToolError> {
    let Guests { guests } = cx.elicit("guests", "For how many?").await?;
    match cx.elicit("confirm", format!("Order {dish} for {guests}?")).await {
        Ok(Confirm { sure: true }) => Ok(format!("Ordered {dish} for {guests}.")),
        Ok(Confirm { sure: false }) | Err(AskError::Declined | AskError::Cancelled) => {
            Ok("Nothing was ordered.".to_owned())
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let tools = ToolRegistry::builder().tool("order", "Order a meal", order).build()?;
    let mut builder = StatelessSessionManager::builder("ask_the_user", env!("CARGO_PKG_VERSION"));
    if let Ok(keys) = std::env::var("STATE_KEYS") {
        builder = builder.state_keys(keys.parse::<StateKeys>()?);
    }
    let manager = builder.build()?;
    let service = manager.service(tools).at("/mcp");
    serve(common::listen().await?, service).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
