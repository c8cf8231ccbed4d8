//! Published clients and the official conformance suite against the example servers.
//!
//! `cargo test` builds the examples; a narrower `cargo test --test clients` does not. One test:
//! `cargo test --all-features --test clients python_2_auto::progress`.

mod conformance;
mod examples;
mod oauth;
mod stories;
