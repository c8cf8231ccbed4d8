//! The tools, and the counters as resources.

use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::registry::Live;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::task::TaskMode;
use mcp_stateless::{CallContext, Catalog, RegistryError, ResourceRegistry, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::counters::Counters;
use crate::suite;

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
    /// The name of the counter, which consists of letters and digits.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Work {
    number: u64,
    /// How long it takes.
    milliseconds: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Booking {
    /// The name of the counter for this booking, which consists of letters and digits.
    name: String,
    /// How long it takes.
    milliseconds: u64,
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

/// Waits, and reports its progress.
async fn pause(Pause { milliseconds }: Pause, cx: CallContext) -> &'static str {
    for step in 1..=4_u32 {
        tokio::time::sleep(Duration::from_millis(milliseconds / 4)).await;
        cx.progress(step.into(), Some(4.0), "waiting").await;
    }
    "rested"
}

/// Asks the user twice.
async fn order(Dish { dish }: Dish, cx: CallContext) -> Result<String, ToolError> {
    let Guests { guests } = cx.elicit("guests", "For how many?").await?;
    let Sure { sure } = cx.elicit("sure", format!("Order {dish} for {guests}?")).await?;
    Ok(if sure { format!("Ordered {dish} for {guests}.") } else { "Nothing ordered.".to_owned() })
}

/// Squares a number slowly. May be restarted.
async fn square(Work { number, milliseconds }: Work, cx: CallContext) -> u64 {
    for step in 1..=4_u32 {
        cx.progress(step.into(), Some(4.0), &format!("in process {}", std::process::id())).await;
        tokio::time::sleep(Duration::from_millis(milliseconds / 4)).await;
    }
    number.wrapping_mul(number)
}

/// Squares a number if the user agrees. Half of the time passes before the question, half after it.
async fn square_if_sure(Work { number, milliseconds }: Work, cx: CallContext) -> Result<String, ToolError> {
    let half = Duration::from_millis(milliseconds / 2);
    tokio::time::sleep(half).await;
    let Sure { sure } = cx.elicit("sure", format!("Square {number}?")).await?;
    tokio::time::sleep(half).await;
    Ok(if sure { number.wrapping_mul(number).to_string() } else { "left alone".to_owned() })
}

/// Makes a booking, which must not be repeated, so its task is not restarted.
async fn book(counters: Arc<Counters>, Booking { name, milliseconds }: Booking) -> Result<String, ToolError> {
    check(&name)?;
    let times = counters.count(&name).await?;
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    Ok(format!("booked {times}"))
}

fn check(name: &str) -> Result<(), ToolError> {
    let is_plain =
        !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { Ok(()) } else { Err(ToolError::new("a name has 1 to 64 letters and digits")) }
}

pub(crate) fn all(counters: &Arc<Counters>) -> Result<Catalog, RegistryError> {
    let (counting, booking, reading) = (Arc::clone(counters), Arc::clone(counters), Arc::clone(counters));
    let square = Tool::new("square", "Square a number, slowly", square);
    let if_sure = Tool::new("square_if_sure", "Square a number, slowly, if the user is sure", square_if_sure);
    let book =
        Tool::new("book", "Book something, once", move |wanted: Booking| book(Arc::clone(&booking), wanted));
    let tools = suite::add_to(ToolRegistry::builder())
        .tool("add", "Add two integers", async |Pair { a, b }: Pair| a.wrapping_add(b))
        .tool("pause", "Wait a while", pause)
        .tool("order", "Order a dish, after a question or two", order)
        .tool("count", "Add one to a counter", move |Counter { name }: Counter| {
            let counters = Arc::clone(&counting);
            async move {
                check(&name)?;
                counters.count(&name).await
            }
        })
        .register(square.idempotent().task_mode(TaskMode::Required))
        .register(if_sure.idempotent().task_mode(TaskMode::Required))
        .register(book.task_mode(TaskMode::Required))
        .build()?;
    let counter = ResourceTemplate::new("counter://{name}", "counter", move |Counter { name }: Counter| {
        let counters = Arc::clone(&reading);
        async move { counters.sum(&name).await.map(|sum| sum.to_string()) }
    });
    let resources = ResourceRegistry::builder().register_template(counter).build()?;
    Catalog::builder().add(tools).add(Live::new(resources, counters.changes.clone())).build()
}
