use mcp_stateless::{State, ToolRegistry};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

async fn search(Search { text }: Search, State(prefix): State<String>) -> String {
    format!("{prefix}{text}")
}

fn main() {
    let _ = ToolRegistry::builder().with_state("> ".to_owned()).tool("search", "Search", search);
}
