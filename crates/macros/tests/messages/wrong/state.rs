use std::sync::Arc;

use mcp_stateless::ToolRegistry;

struct Tracker;

impl Tracker {
    async fn count(self: Arc<Self>) -> u32 {
        1
    }
}

fn main() {
    let _ = ToolRegistry::builder().tool("count", "Count", Tracker::count).with_state(Arc::new(Tracker));
}
