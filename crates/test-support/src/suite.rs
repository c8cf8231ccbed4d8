//! The official conformance suite.

use std::fs;

use tokio::process::Command;

use crate::{script, setup};

const PROGRAM: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const SUMMARY: &str = "=== SUMMARY ===";

/// The scenarios of the extension for tasks, except the one for notifications: the suite does not look
/// at those yet, so that one checks nothing.
pub const TASKS: [&str; 9] = [
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-dispatch-and-envelope",
    "tasks-wire-fields",
    "tasks-request-headers",
    "tasks-request-state-removal",
    "tasks-required-task-error",
    "tasks-mrtr-input",
    "tasks-mrtr-composition",
];
/// The one for notifications.
pub const TASK_NOTIFICATIONS: &str = "tasks-status-notifications";

/// Runs the suite, which must pass, against the server at `url`, and returns its report. It is also
/// stored as `name`.
pub async fn conforms(url: &str, name: &str, arguments: &[&str]) -> String {
    let scratch = setup::scratch();
    let mut suite = Command::new(setup::node());
    suite.arg(setup::typescript(PROGRAM)).args(["server", "--url", url]).args(arguments);
    // It may write its results to the current directory.
    suite.current_dir(&scratch);
    let output = script::run(suite).await;

    let report = script::said(&output);
    let path = scratch.join(format!("conformance-{name}.txt"));
    fs::write(&path, &report).expect("the report is kept");
    let summary = report.find(SUMMARY).map_or(report.as_str(), |start| &report[start..]);
    assert!(output.status.success(), "{summary}\nthe whole report: {}", path.display());
    report
}

/// Runs one scenario that belongs to no version of the specification, or that the suite treats as
/// informational. The report is stored as `name`.
pub async fn conforms_to(url: &str, name: &str, scenario: &str) -> String {
    conforms(url, name, &["--scenario", scenario, "--spec-version", "2026-07-28", "--force"]).await
}

/// Requires such a scenario to pass.
pub async fn passes(url: &str, name: &str, scenario: &str) {
    let report = conforms_to(url, name, scenario).await;
    // The suite also succeeds with warnings, and with checks that it could not run.
    assert!(report.contains(" 0 failed, 0 warnings"), "{report}");
    assert!(!report.contains("SKIPPED"), "{report}");
}
