use mcp_stateless::{CallContext, State, ToolRegistry};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

async fn search(State(prefix): State<String>, Search { text }: Search, _: CallContext) -> String {
    format!("{prefix}{text}")
}

fn main() {
    let _ = ToolRegistry::builder().with_state("> ".to_owned()).tool("search", "Search", search).build();
}
