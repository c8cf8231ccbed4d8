use mcp_stateless::ToolRegistry;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

fn main() {
    let prefix = String::from("> ");
    let _ = ToolRegistry::builder()
        .tool("search", "Search", async |Search { text }: Search| format!("{prefix}{text}"));
}
