//! Published clients and the official conformance suite against the example servers.
//!
//! The example binaries are built by `cargo test`; a narrower `cargo test --test clients` does not
//! build them. One test: `cargo test python_2_auto::progress`.

#![cfg_attr(not(feature = "upstream"), allow(dead_code, reason = "some is for the gateway alone"))]

#[cfg(feature = "upstream")]
mod cast;
mod conformance;
mod examples;
#[cfg(feature = "upstream")]
mod gateway;
mod proxy;
#[cfg(feature = "upstream")]
mod published;
mod rmcp_client;
mod script;
mod server;
mod setup;
mod stories;
#[cfg(feature = "upstream")]
mod upstream;
