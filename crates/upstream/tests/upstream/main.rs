//! Real upstreams behind a manager in this process.
//!
//! To run one test: `cargo test -p mcp-stateless-upstream sessions::children_are_their_callers_own`.

mod calls;
mod canned;
mod cast;
mod failures;
mod gateway;
mod http;
mod observed;
mod own;
mod questions;
mod sessions;
mod streams;
mod wire;
