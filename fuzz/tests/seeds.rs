//! Checks the invariants with the seeds.

use std::{fs, path::Path};

fn each(seeds: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(seeds);
    let mut count = 0;
    for seed in fs::read_dir(folder).expect("seeds") {
        check(&fs::read(seed.expect("a seed").path()).expect("a seed"));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn requests_hold_what_must_hold() {
    each("request", mcp_stateless_fuzz::request);
}

#[test]
fn arguments_are_understood_as_serde_json_understands_them() {
    each("arguments", mcp_stateless_fuzz::arguments);
}

#[test]
fn no_state_opens_but_the_very_one_that_was_sealed() {
    each("state", mcp_stateless_fuzz::state);
}

#[test]
fn no_credentials_are_accepted_but_those_that_were_signed() {
    each("authorization", mcp_stateless_fuzz::authorization);
}

#[test]
fn no_answer_keeps_the_right_one_from_its_call() {
    each("answers", mcp_stateless_fuzz::answers);
}

#[test]
fn no_handler_gets_what_the_filter_refuses() {
    each("uris", mcp_stateless_fuzz::uris);
}

#[test]
fn whatever_an_upstream_sends_the_call_ends() {
    each("upstream", mcp_stateless_fuzz::upstream);
}

#[test]
fn files_that_list_servers_are_read_or_refused_and_no_secret_is_shown() {
    each("mcp_servers", mcp_stateless_fuzz::mcp_servers);
}
