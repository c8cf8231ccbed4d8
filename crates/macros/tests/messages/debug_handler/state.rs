use std::rc::Rc;
use std::sync::Arc;

use mcp_stateless::{State, debug_handler};

struct Tracker;

impl Tracker {
    #[debug_handler]
    async fn count(&self) -> u8 {
        1
    }

    #[debug_handler]
    async fn other(self: Arc<Self>, State(prefix): State<String>) -> String {
        prefix
    }

    #[debug_handler]
    async fn local(self: Rc<Self>) -> u8 {
        1
    }
}

#[debug_handler(tool, satte = u8)]
async fn generic<T>(value: T) -> u8 {
    1
}

fn main() {}
