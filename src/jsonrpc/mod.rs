//! JSON-RPC 2.0, without any knowledge of MCP or HTTP.
//!
//! [`envelope`] parses a message in one borrowing pass of [`scan`]. [`read`] deserialises its parts.
//! [`write`] writes replies directly into their buffer.

pub(crate) mod envelope;
mod error;
mod escape;
mod fault;
mod id;
mod member;
mod raw;
pub(crate) mod read;
pub(crate) mod scan;
mod special;
pub(crate) mod write;

pub use error::{ErrorCode, RpcError};
pub(crate) use id::Id;
pub(crate) use raw::Raw;
