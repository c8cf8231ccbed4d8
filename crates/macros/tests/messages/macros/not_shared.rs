use std::cell::Cell;

use mcp_stateless::tools;

struct Tracker(Cell<u8>);

#[tools]
impl Tracker {
    /// Counts.
    fn count(&self) -> u8 {
        self.0.get()
    }
}

fn main() {}
