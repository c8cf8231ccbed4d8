//! Hostile clients against the gateway; see [`test_support::hostile`].
//!
//! It also starts examples of the root package, which are built by `cargo test --workspace` or
//! `cargo build --examples --all-features`.

#![cfg(target_os = "linux")]

use serde_json::json;
use test_support::hostile::{
    patience,
    target::{Example, Program},
};

static GATEWAY: Example = Example {
    name: "gateway",
    program: Program::Gateway(env!("CARGO_BIN_EXE_mcp-gateway")),
    tool: "up-add",
    echo: Some(("up-echo", |text| json!({"text": text}))),
    countdown: Some("up-countdown"),
    // The servers behind it may change.
    listens: true,
    ..Example::QUICKSTART
};

test_support::storms! {
    gateway: crate::GATEWAY;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stands_still_is_given_up() {
    patience::a_client_that_stands_still_is_given_up(&[&GATEWAY]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_slow_is_served() {
    patience::a_client_that_is_slow_is_served(&[&GATEWAY]).await;
}
