//! The official conformance suite against the example that has everything the suite asks for.
//!
//! What cannot apply to a server without sessions is in `conformance/`; the suite fails both when
//! anything else goes wrong and when something listed there begins to work.

use std::{fs, path::Path};

use test_support::{script, server::ExampleServer, setup};
use tokio::process::Command;

const SUITE: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const SUMMARY: &str = "=== SUMMARY ===";

/// The report of the suite, which has to be content; it is also kept under `name`.
async fn conforms(name: &str, arguments: &[&str]) -> String {
    let server = ExampleServer::start("everything").await;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut suite = Command::new(setup::node());
    suite.arg(setup::typescript(SUITE)).args(["server", "--url", server.url()]).args(arguments);
    // It may leave its results where it runs.
    suite.current_dir(scratch);
    let output = script::run(suite).await;

    let report = script::said(&output);
    let path = scratch.join(format!("conformance-{name}.txt"));
    fs::write(&path, &report).expect("the report is kept");
    let summary = report.find(SUMMARY).map_or(report.as_str(), |start| &report[start..]);
    assert!(output.status.success(), "{summary}\nthe whole report: {}", path.display());
    report
}

/// For what the requirements only report, because the suite's own server falls short of it.
async fn passes(scenario: &str) {
    let arguments = ["--scenario", scenario, "--spec-version", "2026-07-28"];
    let report = conforms(scenario, &arguments).await;
    // The suite is also content with warnings, and with what it finds no way to try.
    assert!(report.contains(" 0 failed, 0 warnings"), "{report}");
    assert!(!report.contains("SKIPPED"), "{report}");
}

#[tokio::test]
async fn requirements_of_2025_11_25() {
    let expected =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/conformance/expected-failures-2025-11-25.yaml");
    conforms("2025-11-25", &["--requirements", "2025-11-25", "--expected-failures", expected]).await;
}

#[tokio::test]
async fn requirements_of_2026_07_28() {
    conforms("2026-07-28", &["--requirements", "2026-07-28"]).await;
}

#[tokio::test]
async fn json_schema_2020_12() {
    passes("json-schema-2020-12").await;
}

#[tokio::test]
async fn http_header_validation() {
    passes("http-header-validation").await;
}

#[tokio::test]
async fn http_custom_header_server_validation() {
    passes("http-custom-header-server-validation").await;
}
