//! Tools that run as tasks.

use std::time::Duration;

use mcp_stateless::protocol::RpcError;
use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::task::TaskMode;
use mcp_stateless::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Compute {
    /// How long it takes.
    seconds: u32,
    /// What to call it.
    #[serde(default)]
    label: String,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    filename: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirm {
    confirm: bool,
}

pub(crate) fn add_to(tools: ToolRegistryBuilder) -> ToolRegistryBuilder {
    let preferred = |tool: Tool| tool.task_mode(TaskMode::Preferred);
    tools
        .tool("greet", "Greets at once", async |Name { name }: Name| format!("Hello, {name}!"))
        .register(preferred(Tool::new("slow_compute", "Takes its time", slow_compute).read_only()))
        .register(
            Tool::new("failing_job", "Fails after a second, as a task", failing_job)
                .task_mode(TaskMode::Required),
        )
        .register(preferred(Tool::new("protocol_error_job", "Fails with an error", protocol_error_job)))
        .register(preferred(Tool::new("confirm_delete", "Asks, as a task", confirm_delete)))
        .register(preferred(Tool::new("multi_input", "Asks twice at once, as a task", multi_input)))
        .tool("test_tool_with_task", "Asks, and then becomes a task", ask_first)
}

async fn slow_compute(Compute { seconds, label }: Compute, cx: CallContext) -> String {
    for second in 0..seconds {
        cx.progress(second.into(), Some(seconds.into()), "").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    format!("{label} took {seconds} s")
}

async fn failing_job() -> Result<(), ToolError> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Err(ToolError::new("This job intentionally fails"))
}

async fn protocol_error_job() -> Result<(), RpcError> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Err(RpcError::internal())
}

async fn confirm_delete(File { filename }: File, cx: CallContext) -> Result<String, ToolError> {
    let Confirm { confirm } = cx.elicit("confirm", format!("Delete {filename}?")).await?;
    Ok(format!("{filename} is {}", if confirm { "deleted" } else { "kept" }))
}

async fn multi_input(cx: CallContext) -> Result<String, ToolError> {
    let (first, second) = tokio::join!(
        cx.elicit::<Name>("first", "The name of the first?"),
        cx.elicit::<Name>("second", "The name of the second?"),
    );
    Ok(format!("{} and {}", first?.name, second?.name))
}

async fn ask_first(cx: CallContext) -> Result<String, ToolError> {
    let Name { name } = cx.elicit("user_name", "What is your name?").await?;
    cx.become_task().await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(format!("Hello, {name}"))
}
