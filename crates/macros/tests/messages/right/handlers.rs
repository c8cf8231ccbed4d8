//! Functions and closures as handlers.

use std::sync::Arc;

use mcp_stateless::{CallContext, State, ToolRegistry};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

async fn search(State(prefix): State<String>, Search { text }: Search, _: CallContext) -> String {
    format!("{prefix}{text}")
}

#[test]
fn functions_and_closures_are_handlers() {
    let prefix = "> ".to_owned();
    let shared = Arc::new(prefix.clone());
    let tools = ToolRegistry::builder()
        .with_state(prefix.clone())
        .tool("search", "Search", search)
        .tool("captured", "Search", async move |Search { text }: Search| format!("{prefix}{text}"))
        .tool("moved", "Search", move |Search { text }: Search| async move { format!("{shared}{text}") })
        .build();
    assert!(tools.is_ok());
}
