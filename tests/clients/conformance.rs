//! Runs the official conformance suite against the example `everything`.
//!
//! The checks that cannot apply to a server without sessions are listed in `conformance/`. The suite
//! fails if any other check fails, and if one that is listed there passes.

use test_support::{server::ExampleServer, suite};

async fn conforms(name: &str, arguments: &[&str]) {
    let server = ExampleServer::start("everything").await;
    suite::conforms(server.url(), name, arguments).await;
}

async fn passes(scenario: &str) {
    let server = ExampleServer::start("everything").await;
    suite::passes(server.url(), scenario, scenario).await;
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
async fn tasks() {
    let server = ExampleServer::start("everything").await;
    for scenario in suite::TASKS {
        suite::passes(server.url(), scenario, scenario).await;
    }
    suite::conforms_to(server.url(), suite::TASK_NOTIFICATIONS, suite::TASK_NOTIFICATIONS).await;
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
