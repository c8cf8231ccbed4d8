//! Runs published clients and the official conformance suite against the example servers.
//!
//! `cargo test` builds the examples, but `cargo test --test clients` does not. To run one test:
//! `cargo test --all-features --test clients python_2_auto::progress`.

mod conformance;
mod examples;
mod oauth;
mod observed;
mod stories;
