use mcp_stateless::tools;

struct Tracker;

struct Order;

#[derive(serde::Deserialize)]
struct Filter {
    text: String,
}

struct Admin;

#[tools]
impl Tracker {
    /// Finds.
    async fn search(&self, order: Order) -> String {
        String::new()
    }

    /// Filters.
    async fn filter(&self, filter: Filter) -> String {
        filter.text
    }

    /// Takes a type that is not a part of a call.
    async fn reset(&self, #[from_call] admin: Admin) -> String {
        String::new()
    }
}

fn main() {}
