use mcp_stateless::tools;

struct Tracker;

#[tools]
impl Tracker {
    /// Has settings that there are not.
    #[tool(titel = "Search", readonly)]
    fn unknown(&self) {}

    /// Has settings without what they need.
    #[tool(title, read_only = true, output_schema, with_meta = "ada")]
    fn values(&self) {}

    /// Has settings twice, and some that contradict each other.
    #[tool(title = "A", title = "B", read_only, destructive, open_world, closed_world)]
    fn twice(&self) {}

    /// Cannot be read.
    #[tool(title = )]
    fn unreadable(&self) {}

    /// Is left out, and is not.
    #[skip]
    #[tool(title = "A")]
    fn skipped(&self) {}

    /// Is of the wrong type.
    #[tool(time_limit = 5)]
    fn limit(&self) {}
}

fn main() {}
