//! Four tools: plain functions with typed arguments.

use std::time::Duration;

use mcp_stateless::{CallContext, RegistryError, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to say again.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Countdown {
    /// How many steps to count.
    from: u32,
    /// How long each step takes, in milliseconds.
    #[serde(default = "default_interval")]
    interval_ms: u64,
}

fn default_interval() -> u64 {
    100
}

/// The tools `add`, `multiply`, `echo` and `countdown`.
pub(crate) fn all() -> Result<ToolRegistry, RegistryError> {
    ToolRegistry::builder()
        .tool("add", "Add two integers", async |Pair { a, b }: Pair| {
            a.checked_add(b).ok_or_else(|| ToolError::new("the sum is too large"))
        })
        .tool("multiply", "Multiply two integers", async |Pair { a, b }: Pair| {
            a.checked_mul(b).ok_or_else(|| ToolError::new("the product is too large"))
        })
        .tool("echo", "Say a text again", async |Echo { text }: Echo| text)
        .tool("countdown", "Count down, telling the progress", countdown)
        .build()
}

async fn countdown(Countdown { from, interval_ms }: Countdown, cx: CallContext) -> &'static str {
    for step in 1..=from {
        if interval_ms > 0 {
            tokio::time::sleep(Duration::from_millis(interval_ms)).await;
        }
        let left = from - step;
        cx.progress(step.into(), Some(from.into()), &format!("{left} to go")).await;
    }
    "liftoff"
}
