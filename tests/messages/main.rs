//! What the compiler says of a handler that is wrong. The messages are those of the newest
//! stable compiler; `TRYBUILD=overwrite` writes them anew.

#[test]
fn the_compiler_says_what_to_write_instead() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/messages/right.rs");
    cases.compile_fail("tests/messages/wrong/*.rs");
}
