//! The compiler's messages about wrong handlers. They differ between compilers, so they are only
//! compared for one version. `TRYBUILD=overwrite` updates them.
//!
//! They are in this package because `trybuild` checks all dependencies of a package once more, and
//! this one has few. The handlers in `right` are part of this program: if `trybuild` had to run one,
//! it would build every dependency, and check the cases one after the other.

use std::process::Command;

mod right;

/// The compiler whose messages are compared.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn the_compiler_says_what_to_write_instead() {
    let version = Command::new("rustc").arg("--version").output().expect("a compiler").stdout;
    if String::from_utf8_lossy(&version).starts_with(COMPILER) {
        let cases = trybuild::TestCases::new();
        for wrong in ["wrong", "macros", "debug_handler"] {
            cases.compile_fail(format!("tests/messages/{wrong}/*.rs"));
        }
    }
}
