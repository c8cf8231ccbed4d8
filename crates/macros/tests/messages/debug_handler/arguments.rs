use mcp_stateless::debug_handler;

struct Search;

#[debug_handler]
async fn search(_: Search) -> String {
    String::new()
}

#[debug_handler]
async fn several(text: String, limit: u32) -> String {
    format!("{text}{limit}")
}

#[debug_handler]
async fn borrowed(text: &str) -> String {
    text.to_owned()
}

fn main() {}
