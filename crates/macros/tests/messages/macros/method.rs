use std::future::Future;

use mcp_stateless::tools;

struct Tracker;

#[tools]
impl Tracker {
    fn undocumented(&self) -> u8 {
        1
    }

    /// Changes.
    fn change(&mut self) {}

    /// Ends.
    fn end(self) {}

    /// Boxed.
    fn boxed(self: Box<Self>) {}

    /// Generic.
    fn generic<T>(&self, value: T) {}

    /// Unsafe.
    unsafe fn risky(&self) {}

    /// Returns a future.
    fn later(&self) -> impl Future<Output = u8> {
        std::future::ready(1)
    }

    /// Returns what it does not own.
    fn borrowed(&self) -> &str {
        "text"
    }

    /// Has a name that the protocol does not allow.
    fn größe(&self) {}

    /// Has another.
    #[tool(name = "a tool")]
    fn named(&self) {}

    /// Takes too many parts.
    fn parts(
        &self,
        _: mcp_stateless::CallContext,
        _: mcp_stateless::Principal,
        _: http::HeaderMap,
        _: mcp_stateless::CallContext,
        _: mcp_stateless::Principal,
    ) {
    }

    /// Is a prompt.
    #[prompt]
    fn prompt(&self) {}

    /// Is right, and can be called.
    fn right(&self) {}
}

fn main() {
    let _ = Tracker::tools(Tracker).build();
}
