//! This crate with its default settings, on plain hyper like the other servers. It makes every
//! check that the protocol requires. The library's own server (feature `serve`), which the examples
//! use, is not measured here.

use std::{error::Error, time::Duration};

use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::{CallContext, StatelessSessionManager, ToolRegistry};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Setting;
use crate::catalogue::{self, Entry, SERVER_NAME, SERVER_VERSION};

pub(super) type Service = mcp_stateless::McpService<mcp_stateless::manager::Fixed<ToolRegistry>>;

pub(super) fn service(setting: Setting) -> Result<Service, Box<dyn Error + Send + Sync>> {
    let mut tools = ToolRegistry::builder();
    for entry in catalogue::tools(setting.tools) {
        tools = register(tools, entry)?;
    }
    let manager = StatelessSessionManager::builder(SERVER_NAME, SERVER_VERSION).build()?;
    Ok(manager.service(tools.build()?))
}

fn register(tools: ToolRegistryBuilder, entry: Entry) -> serde_json::Result<ToolRegistryBuilder> {
    let Entry { name, description, schema } = entry;
    // The schemas of the catalogue instead of derived ones, so that all lists are the same.
    let schema = RawValue::from_string(schema)?;
    Ok(match &*name {
        "add" => {
            let add = async |Integers { a, b }: Integers| a.wrapping_add(b);
            tools.tool_with_schema(name, description, schema, add)
        }
        "multiply" => {
            let multiply = async |Integers { a, b }: Integers| a.wrapping_mul(b);
            tools.tool_with_schema(name, description, schema, multiply)
        }
        "echo" => {
            let echo = async |Echo { text }: Echo| text;
            tools.tool_with_schema(name, description, schema, echo)
        }
        "countdown" => tools.tool_with_schema(name, description, schema, countdown),
        _ => tools.tool_with_schema(name, description, schema, async || "nothing found"),
    })
}

async fn countdown(Countdown { from, interval_ms }: Countdown, cx: CallContext) -> &'static str {
    for made in 1..=from {
        if interval_ms > 0 {
            tokio::time::sleep(Duration::from_millis(interval_ms)).await;
        }
        cx.progress(made.into(), Some(from.into()), "").await;
    }
    "done"
}

#[derive(Deserialize)]
struct Integers {
    a: i64,
    b: i64,
}

#[derive(Deserialize)]
struct Echo {
    text: String,
}

#[derive(Deserialize)]
struct Countdown {
    from: u32,
    interval_ms: u64,
}
