//! The compiler's messages about wrong handlers. They differ from one compiler to the next, so they
//! are compared with one version only. `TRYBUILD=overwrite` updates them.

use std::process::Command;

/// The compiler whose messages are compared.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn the_compiler_says_what_to_write_instead() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/messages/right/*.rs");
    let version = Command::new("rustc").arg("--version").output().expect("a compiler").stdout;
    if String::from_utf8_lossy(&version).starts_with(COMPILER) {
        for wrong in ["wrong", "macros", "debug_handler"] {
            cases.compile_fail(format!("tests/messages/{wrong}/*.rs"));
        }
    }
}
