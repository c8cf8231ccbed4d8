use mcp_stateless::{CallContext, tools};

struct Tracker;

struct Pair {
    a: u8,
    b: u8,
}

#[tools]
impl Tracker {
    /// Takes patterns.
    fn patterns(&self, (a, b): (u8, u8), Pair { .. }: Pair, _: u8) {}

    /// Takes references.
    fn references(&self, text: &str, numbers: &[u8], name: std::borrow::Cow<'_, str>, any: impl ToString) {}

    /// Takes attributes.
    fn attributes(&self, #[arg(long)] text: String, #[serde(default)] cx: CallContext, #[complete(x)] word: u8) {}
}

fn main() {}
