use mcp_stateless::{ToolError, debug_handler};

struct Found;

#[debug_handler]
async fn search() -> Found {
    Found
}

#[debug_handler(prompt)]
async fn explain() -> Result<u32, ToolError> {
    Ok(1)
}

#[debug_handler]
fn blocking() -> String {
    String::new()
}

fn main() {}
