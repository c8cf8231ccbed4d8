//! Registries that live in other servers (feature `upstream`).
//!
//! An [`Upstream`] stands for another MCP server, over a child's stdio or over Streamable
//! HTTP, of either era, with sessions or without.

mod builder;
mod error;
mod info;
mod registry;

pub use builder::UpstreamBuilder;
pub use error::UpstreamError;
pub use info::{UpstreamInfo, UpstreamStats};
pub use registry::Upstream;
