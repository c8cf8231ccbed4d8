//! The gateway in front of real servers, used by real clients.
//!
//! It also starts examples of the root package, which are built by `cargo test --workspace` or
//! `cargo build --examples --all-features`. To run one test: `cargo test -p mcp-gateway
//! published::selecting`.

mod gateway;
mod published;
