use mcp_stateless::ToolRegistry;

struct Found;

async fn search() -> Found {
    Found
}

fn main() {
    let _ = ToolRegistry::builder().tool("search", "Search", search);
}
