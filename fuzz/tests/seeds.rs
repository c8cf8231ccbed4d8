//! The seeds hold what must hold of everything.

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
