//! Functions that `#[debug_handler]` accepts.

use std::sync::Arc;

use mcp_stateless::call::{Call, FromCall};
use mcp_stateless::{CallContext, Principal, State, ToolError, debug_handler};

#[derive(serde::Deserialize)]
struct Search {
    text: String,
}

struct Admin;

impl<S> FromCall<S> for Admin {
    fn from_call(_: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        Ok(Self)
    }
}

struct Tracker;

impl Tracker {
    #[debug_handler]
    async fn search(self: Arc<Self>, State(_): State<Arc<Self>>, search: Search, _: CallContext) -> String {
        search.text
    }
}

#[debug_handler]
async fn count(State(count): State<u8>, _: Option<Principal>, _: CallContext) -> u8 {
    count
}

#[debug_handler]
async fn reset(_: Admin) -> &'static str {
    "reset"
}

#[debug_handler(state = Arc<Tracker>)]
async fn of_state(_: Arc<Tracker>, _: Admin, search: Search) -> Result<String, std::io::Error> {
    Ok(search.text)
}

#[debug_handler(resource)]
async fn read() -> Vec<u8> {
    Vec::new()
}

#[test]
fn right_handlers_are_accepted() {
    let _ = (Tracker::search, count, reset, of_state, read);
}
