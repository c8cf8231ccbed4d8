use mcp_stateless::{ToolError, prompts, tools};

struct Tracker;

struct Found;

struct NotAnError;

#[tools]
impl Tracker {
    /// Finds.
    async fn search(&self) -> Found {
        Found
    }

    /// Finds, or fails.
    async fn try_search(&self) -> Result<Found, ToolError> {
        Ok(Found)
    }

    /// Fails with what is no error.
    async fn fail(&self) -> Result<String, NotAnError> {
        Err(NotAnError)
    }
}

#[prompts]
impl Tracker {
    /// Counts.
    fn count(&self) -> u32 {
        1
    }
}

fn main() {}
