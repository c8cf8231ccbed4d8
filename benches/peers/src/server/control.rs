//! How the process that started a server talks to it: over standard input and
//! output, beside the HTTP that is measured.

use std::io::{self, Write as _};

/// Answers each line of standard input with `allocations COUNT BYTES`, and ends
/// the process with it: no server outlives whoever started it.
pub(super) fn spawn() {
    std::thread::spawn(|| {
        for line in io::stdin().lines() {
            if line.is_err() {
                break;
            }
            let (count, bytes) = allocations();
            let mut out = io::stdout().lock();
            if writeln!(out, "allocations {count} {bytes}").is_err() || out.flush().is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
}

#[cfg(feature = "count-allocations")]
fn allocations() -> (u64, u64) {
    super::counting::counts()
}

#[cfg(not(feature = "count-allocations"))]
fn allocations() -> (u64, u64) {
    (0, 0)
}
