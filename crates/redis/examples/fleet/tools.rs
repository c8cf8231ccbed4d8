//! The tools, and the counters as resources.

use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::call::NoArguments;
use mcp_stateless::registry::Live;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{CallContext, Catalog, RegistryError, ResourceRegistry, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::counters::Counters;

#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Pause {
    milliseconds: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Counter {
    /// The counter's name: letters and digits.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Dish {
    dish: String,
}

#[derive(Deserialize, JsonSchema)]
struct Guests {
    guests: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Sure {
    sure: bool,
}

/// Takes a while, and tells how far it is.
async fn pause(Pause { milliseconds }: Pause, cx: CallContext) -> &'static str {
    for step in 1..=4_u32 {
        tokio::time::sleep(Duration::from_millis(milliseconds / 4)).await;
        cx.progress(step.into(), Some(4.0), "waiting").await;
    }
    "rested"
}

/// Asks twice.
async fn order(Dish { dish }: Dish, cx: CallContext) -> Result<String, ToolError> {
    let Guests { guests } = cx.elicit("guests", "For how many?").await?;
    let Sure { sure } = cx.elicit("sure", format!("Order {dish} for {guests}?")).await?;
    Ok(if sure { format!("Ordered {dish} for {guests}.") } else { "Nothing ordered.".to_owned() })
}

pub(crate) fn all(counters: &Arc<Counters>) -> Result<Catalog, RegistryError> {
    let counting = Arc::clone(counters);
    let tools = ToolRegistry::builder()
        .tool("add", "Add two integers", async |Pair { a, b }: Pair| a.wrapping_add(b))
        .tool("pause", "Wait a while", pause)
        .tool("order", "Order a dish, after a question or two", order)
        .tool("count", "Add one to a counter", move |Counter { name }: Counter| {
            let counters = Arc::clone(&counting);
            async move {
                let is_plain =
                    !name.is_empty() && name.len() <= 64 && name.bytes().all(|it| it.is_ascii_alphanumeric());
                if !is_plain {
                    return Err(ToolError::new("a name has 1 to 64 letters and digits"));
                }
                counters.count(&name).await
            }
        })
        .tool("replica", "The process that serves this call", async |_: NoArguments| std::process::id())
        .build()?;
    let reading = Arc::clone(counters);
    let resources = ResourceRegistry::builder()
        .register_template(ResourceTemplate::new(
            "counter://{name}",
            "counter",
            move |Counter { name }: Counter| {
                let counters = Arc::clone(&reading);
                async move { counters.sum(&name).await.map(|sum| sum.to_string()) }
            },
        ))
        .build()?;
    Catalog::builder().add(tools).add(Live::new(resources, counters.changes.clone())).build()
}
