//! HTTP, without any knowledge of JSON-RPC.
//!
//! [`admit`] checks a request's head, and [`read`] reads its body within limits. Both return a
//! [fault], which has an HTTP status but no JSON-RPC code.

mod accept;
pub(crate) mod admit;
pub(crate) mod budget;
mod fault;
pub(crate) mod mcp_headers;
pub(crate) mod origin;
mod policy;
pub(crate) mod read;
pub(crate) mod sse;

pub(crate) use accept::Accepts;
pub(crate) use fault::{HttpFault, retry_after};
pub use policy::AcceptRule;
pub(crate) use policy::HttpPolicy;
