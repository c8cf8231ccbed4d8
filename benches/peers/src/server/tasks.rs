//! This crate with a tool whose calls are tasks.

use std::{error::Error, sync::Arc, time::Duration};

use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::{ChangeBus, LocalBus};
use mcp_stateless::manager::Fixed;
use mcp_stateless::task::{LocalTaskStore, TaskMode, TaskStore, Tasks};
use mcp_stateless::{McpService, StatelessSessionManager, Tool, ToolRegistry};
use mcp_stateless_redis::Redis;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalogue::{self, SERVER_NAME, SERVER_VERSION, ToolSet};

/// So short that as many tasks expire as are created.
const KEEP: Duration = Duration::from_secs(1);
/// Longer than a measurement.
const LONG: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Deserialize)]
struct Integers {
    a: i64,
    b: i64,
}

/// Serves `add` as a plain call, as `add_task`, as `add_kept`, whose tasks do not expire, and `wait`,
/// whose tasks do not end.
pub(super) async fn service(
    redis: Option<&str>,
) -> Result<McpService<Fixed<ToolRegistry>>, Box<dyn Error + Send + Sync>> {
    let add = async |Integers { a, b }: Integers| a.wrapping_add(b);
    let schema = || {
        let add = catalogue::tools(ToolSet::Two).into_iter().find(|tool| tool.name == "add");
        RawValue::from_string(add.map(|add| add.schema).unwrap_or_default())
    };
    let task = |tool: Tool| tool.task_mode(TaskMode::Required);
    let tools = ToolRegistry::builder()
        .register(Tool::with_schema("add", "", schema()?, add))
        .register(task(Tool::with_schema("add_task", "", schema()?, add)))
        .register(task(Tool::with_schema("add_kept", "", schema()?, add)).time_limit(Some(LONG)))
        .register(
            task(Tool::with_schema("wait", "", schema()?, std::future::pending::<&str>))
                .time_limit(Some(LONG)),
        )
        .build()?;
    let (store, bus): (Arc<dyn TaskStore>, Arc<dyn ChangeBus>) = match redis {
        Some(url) => {
            // The tasks of an earlier server are not taken over.
            let redis = Redis::builder(url).prefix(format!("peers-{}", std::process::id())).build()?;
            redis.check().await?;
            (Arc::new(redis.task_store()), Arc::new(redis.bus()))
        }
        // As with `Tasks::in_process`, with room for the tasks of a busy moment.
        None => (Arc::new(LocalTaskStore::with_capacity(1 << 17, 1 << 28)), Arc::new(LocalBus::default())),
    };
    let tasks = Tasks::shared(store, bus).time_limit(KEEP).keep_results_for(KEEP);
    let manager = StatelessSessionManager::builder(SERVER_NAME, SERVER_VERSION)
        .state_keys(StateKeys::new([7; 32]))
        .tasks(tasks)
        .build()?;
    let service = manager.service(tools.clone());
    tokio::spawn(async move { manager.run_tasks(tools).await });
    Ok(service)
}
