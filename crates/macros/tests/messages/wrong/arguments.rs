use mcp_stateless::ToolRegistry;

struct Search {
    text: String,
}

async fn search(Search { text }: Search) -> String {
    text
}

fn main() {
    let _ = ToolRegistry::builder().tool("search", "Search", search);
}
