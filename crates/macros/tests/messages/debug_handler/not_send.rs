use std::rc::Rc;

use mcp_stateless::debug_handler;

#[debug_handler]
async fn search() -> String {
    let text = Rc::new("found".to_owned());
    std::future::ready(()).await;
    text.to_string()
}

fn main() {}
