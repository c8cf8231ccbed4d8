use mcp_stateless::ToolRegistry;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

fn main() {
    let prefix = String::from("> ");
    let _ = ToolRegistry::builder().tool("search", "Search", |Search { text }: Search| {
        let prefix = prefix.clone();
        async move { format!("{prefix}{text}") }
    });
}
