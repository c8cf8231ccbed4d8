//! JSON-RPC 2.0: knows nothing of MCP or HTTP.
//!
//! [`envelope`] reads a message in one borrowed pass, [`write`] puts replies
//! straight into their buffer.

pub(crate) mod depth;
pub(crate) mod envelope;
mod error;
mod id;
pub(crate) mod raw;
pub(crate) mod write;

pub use error::{ErrorCode, RpcError};
pub(crate) use id::Id;
