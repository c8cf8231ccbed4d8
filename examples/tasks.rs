//! A tool that takes long and runs as a task.
//!
//! `cargo run --example tasks --features serve,tasks -- --addr 127.0.0.1:8000`
//!
//! Clients that support tasks get a handle immediately. All others wait for the report.

use std::time::Duration;

use mcp_stateless::serve::{self, serve};
use mcp_stateless::task::{TaskMode, Tasks};
use mcp_stateless::{CallContext, StatelessSessionManager, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;

mod common;

#[derive(Deserialize, JsonSchema)]
struct Report {
    /// The number of pages.
    pages: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Signature {
    /// Who signs it?
    name: String,
}

/// An ordinary handler. In a task, its progress becomes the status of the task, and its question waits until
/// the client sends an answer.
async fn report(Report { pages }: Report, cx: CallContext) -> Result<String, ToolError> {
    for page in 1..=pages {
        cx.progress(page.into(), Some(pages.into()), &format!("writing page {page}")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let Signature { name } = cx.elicit("signature", "The report is written.").await?;
    Ok(format!("{pages} pages, signed by {name}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let report = Tool::new("report", "Write a report", report).idempotent().task_mode(TaskMode::Preferred);
    let tools = ToolRegistry::builder().register(report).build()?;
    let manager = StatelessSessionManager::builder("tasks", env!("CARGO_PKG_VERSION"))
        .tasks(Tasks::in_process().slow_calls_after(Duration::from_secs(10)))
        .build()?;
    let service = manager.service(tools).at("/mcp");
    serve(common::listen().await?, service).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
