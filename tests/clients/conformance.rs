//! Runs the official conformance suite against the example `everything`.
//!
//! The checks that cannot apply to a server without sessions are listed in `conformance/`. The suite
//! fails if any other check fails, and if one that is listed there passes.

use std::{fs, path::Path};

use test_support::{script, server::ExampleServer, setup};
use tokio::process::Command;

const SUITE: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const SUMMARY: &str = "=== SUMMARY ===";

/// Runs the suite, which must pass, and returns its report. It is also stored as `name`.
async fn conforms(name: &str, arguments: &[&str]) -> String {
    let server = ExampleServer::start("everything").await;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut suite = Command::new(setup::node());
    suite.arg(setup::typescript(SUITE)).args(["server", "--url", server.url()]).args(arguments);
    // It may write its results to the current directory.
    suite.current_dir(scratch);
    let output = script::run(suite).await;

    let report = script::said(&output);
    let path = scratch.join(format!("conformance-{name}.txt"));
    fs::write(&path, &report).expect("the report is kept");
    let summary = report.find(SUMMARY).map_or(report.as_str(), |start| &report[start..]);
    assert!(output.status.success(), "{summary}\nthe whole report: {}", path.display());
    report
}

/// Requires a scenario to pass that the suite treats as informational, because its own server fails
/// it.
async fn passes(scenario: &str) {
    // Forced, because scenarios of extensions belong to no version of the specification.
    let arguments = ["--scenario", scenario, "--spec-version", "2026-07-28", "--force"];
    let report = conforms(scenario, &arguments).await;
    // The suite also succeeds with warnings, and with checks that it could not run.
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

/// The scenarios of the extension for tasks. The suite does not look at notifications yet, so its
/// scenario for them checks nothing.
#[tokio::test]
async fn tasks() {
    for scenario in [
        "tasks-lifecycle",
        "tasks-capability-negotiation",
        "tasks-dispatch-and-envelope",
        "tasks-wire-fields",
        "tasks-request-headers",
        "tasks-request-state-removal",
        "tasks-required-task-error",
        "tasks-mrtr-input",
        "tasks-mrtr-composition",
    ] {
        passes(scenario).await;
    }
    let notifications =
        ["--scenario", "tasks-status-notifications", "--spec-version", "2026-07-28", "--force"];
    conforms("tasks-status-notifications", &notifications).await;
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
