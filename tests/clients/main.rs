//! Published clients and the official conformance suite against the example servers.
//!
//! The example binaries are built by `cargo test`; a narrower `cargo test --test clients` does not
//! build them. One test: `cargo test python_2_auto::progress`.

mod cast;
mod conformance;
mod examples;
mod gateway;
mod proxy;
mod published;
mod rmcp_client;
mod script;
mod server;
mod setup;
mod stories;
mod upstream;
