//! An example of everything that a server can offer, under the names that the official conformance
//! suite uses.
//!
//! `cargo run --example everything --features jsonschema,serve,tasks,templates -- --addr 127.0.0.1:8000`

use mcp_stateless::changes::{Change, Changes};
use mcp_stateless::registry::Live;
use mcp_stateless::serve::{self, serve};
use mcp_stateless::task::Tasks;
use mcp_stateless::{Catalog, RegistryError, StatelessSessionManager, ToolRegistry};

mod asking;
#[path = "../common/mod.rs"]
mod common;
mod media;
mod prompts;
mod resources;
mod tasks;
mod tools;

/// The tools; two of them publish that a list has changed.
fn tools(changes: &Changes) -> Result<ToolRegistry, RegistryError> {
    let (tools_changed, prompts_changed) = (changes.clone(), changes.clone());
    tasks::add_to(asking::add_to(tools::builder()))
        .tool("test_trigger_tool_change", "Says that the tools have changed", move || {
            tools_changed.publish(Change::Tools);
            std::future::ready("said so")
        })
        .tool("test_trigger_prompt_change", "Says that the prompts have changed", move || {
            prompts_changed.publish(Change::Prompts);
            std::future::ready("said so")
        })
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let changes = Changes::in_process();
    let catalog =
        Catalog::builder().add(tools(&changes)?).add(prompts::all()?).add(resources::all()?).build()?;
    let everything = Live::new(catalog, changes);
    let manager = StatelessSessionManager::builder("everything", env!("CARGO_PKG_VERSION"))
        .tasks(Tasks::in_process())
        .build()?;
    let service = manager.service(everything).at("/mcp");
    serve(common::listen().await?, service).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
