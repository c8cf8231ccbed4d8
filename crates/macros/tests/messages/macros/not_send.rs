use std::rc::Rc;

use mcp_stateless::tools;

struct Tracker;

#[tools]
impl Tracker {
    /// Finds.
    async fn search(&self) -> String {
        let text = Rc::new("found".to_owned());
        std::future::ready(()).await;
        text.to_string()
    }
}

fn main() {}
