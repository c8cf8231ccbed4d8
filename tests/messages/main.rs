//! What the compiler says of a handler that is wrong. The words around the crate's own differ from
//! one compiler to the next: they are compared on one version alone, and `TRYBUILD=overwrite`
//! writes them anew.

use std::process::Command;

/// The compiler whose words are held to.
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
