use std::rc::Rc;

use mcp_stateless::ToolRegistry;

async fn search() -> String {
    let text = Rc::new("found".to_owned());
    std::future::ready(()).await;
    text.to_string()
}

fn main() {
    let _ = ToolRegistry::builder().tool("search", "Search", search);
}
