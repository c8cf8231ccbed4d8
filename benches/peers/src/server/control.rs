//! The control channel between a server and the process that started it: standard input and output,
//! separate from the measured HTTP.

use std::io::{self, Write as _};

/// Answers each line of standard input with `allocations COUNT BYTES`. Ends the process at the end
/// of input, so that no server outlives the process that started it.
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
