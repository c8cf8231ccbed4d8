use mcp_stateless::tools;

trait Adds {
    fn add(a: i64, b: i64) -> i64;
}

struct Math;

#[tools]
impl Adds for Math {
    /// Adds.
    fn add(a: i64, b: i64) -> i64 {
        a + b
    }
}

struct Wrapped<T>(T);

#[tools]
impl<T: Send + Sync + 'static> Wrapped<T> {
    /// Counts.
    fn count(&self) -> u8 {
        1
    }
}

#[tools]
struct Lonely;

#[tools(visibility = pub, builder = all, name)]
impl Math {
    /// Subtracts.
    fn subtract(a: i64, b: i64) -> i64 {
        a - b
    }
}

fn main() {
    let _ = Math::all().build();
}
