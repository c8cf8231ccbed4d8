//! The gateway in front of real servers, used by real clients.
//!
//! It also starts examples of the root package: `cargo test --workspace` builds them, and so does
//! `cargo build --examples --all-features`. One test: `cargo test -p mcp-gateway published::selecting`.

mod gateway;
mod published;
