use std::sync::atomic::{AtomicU32, Ordering};

use mcp_stateless::ToolRegistry;

fn main() {
    let count = AtomicU32::new(0);
    let _ = ToolRegistry::builder().tool("count", "Count", async move || count.fetch_add(1, Ordering::Relaxed));
}
