//! JSON-RPC 2.0: knows nothing of MCP or HTTP.
//!
//! [`envelope`] reads a message in one borrowed pass of [`scan`], [`read`] makes typed
//! values of its parts, [`write`] puts replies straight into their buffer.

pub(crate) mod envelope;
mod error;
mod escape;
mod fault;
mod id;
mod member;
mod quote;
mod raw;
pub(crate) mod read;
pub(crate) mod scan;
mod special;
mod unescape;
mod utf8;
pub(crate) mod write;

pub use error::{ErrorCode, RpcError};
pub(crate) use id::Id;
pub(crate) use raw::Raw;
pub(crate) use utf8::utf8;
