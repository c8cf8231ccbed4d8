use mcp_stateless::call::FromRef;

#[derive(Clone, FromRef)]
enum Mode {
    Fast,
}

#[derive(Clone, FromRef)]
struct Twins {
    first: String,
    second: String,
}

#[derive(Clone, FromRef)]
struct Generic<T> {
    part: T,
}

struct NotClone;

#[derive(FromRef)]
struct App {
    part: NotClone,
    #[from_ref(hidden)]
    other: u8,
}

fn main() {}
