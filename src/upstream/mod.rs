//! Registries that live in other servers (feature `upstream`).
//!
//! An [`Upstream`] stands for another MCP server, over a child's stdio or over Streamable
//! HTTP, of either era, with sessions or without.

mod builder;
mod call;
mod child;
mod counters;
mod error;
mod http;
mod info;
mod lists;
mod parked;
mod pool;
mod raw;
mod registry;
mod router;
mod session;
mod sse;
mod stdio;
mod target;
mod wire;

pub use builder::UpstreamBuilder;
pub use error::UpstreamError;
pub use info::{UpstreamInfo, UpstreamStats};
pub(crate) use raw::{Shape, write_raw};
pub use registry::Upstream;
