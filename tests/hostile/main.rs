//! Runs hostile clients against every example that serves; see [`test_support::hostile`].
//!
//! `cargo test` builds the examples, but `cargo test --test hostile` does not. To run one test:
//! `cargo test --all-features --test hostile everything::wrong_types`.

#![cfg(target_os = "linux")]

mod examples;

use test_support::hostile::{patience, target::Example};

static ALL: [&Example; 8] = [
    &examples::QUICKSTART,
    &examples::OBSERVED,
    &examples::HYPER_SERVER,
    &examples::AXUM_APP,
    &examples::PER_TENANT,
    &examples::ASK_THE_USER,
    &examples::LIVE_RESOURCES,
    &examples::EVERYTHING,
];

test_support::storms! {
    quickstart: crate::examples::QUICKSTART;
    observed: crate::examples::OBSERVED;
    hyper_server: crate::examples::HYPER_SERVER;
    axum_app: crate::examples::AXUM_APP;
    per_tenant: crate::examples::PER_TENANT;
    ask_the_user: crate::examples::ASK_THE_USER;
    live_resources: crate::examples::LIVE_RESOURCES;
    everything: crate::examples::EVERYTHING;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stands_still_is_given_up() {
    patience::a_client_that_stands_still_is_given_up(&ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_slow_is_served() {
    patience::a_client_that_is_slow_is_served(&ALL).await;
}
