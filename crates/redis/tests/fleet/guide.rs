//! The configuration in the guide to deploying.

use std::fs;

/// The guide belongs to another package, so it contains a copy of the configuration.
#[test]
fn the_guide_shows_the_configuration_with_which_the_fleet_is_tested() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let guide = fs::read_to_string(format!("{root}/src/guide/deploying.md")).expect("the guide");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fleet/nginx.conf");
    let configuration = fs::read_to_string(file).expect("the configuration");
    assert!(guide.contains(&format!("```nginx\n{configuration}```")), "{file} is not in the guide");
}
