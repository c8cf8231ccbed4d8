use mcp_stateless::{State, debug_handler};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

#[debug_handler]
async fn search(Search { text }: Search, State(prefix): State<String>) -> String {
    format!("{prefix}{text}")
}

fn main() {}
