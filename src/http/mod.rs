//! HTTP: knows nothing of JSON-RPC messages beyond their bytes.
//!
//! [`admit`] judges a request's head, [`read`] bounds its body, [`respond`] is
//! the only place that builds a response.

mod accept;
pub(crate) mod admit;
mod body;
pub(crate) mod budget;
mod cors;
#[cfg(any(feature = "hyper", feature = "tower"))]
mod cors_service;
pub(crate) mod mcp_headers;
pub(crate) mod origin;
pub(crate) mod read;
pub(crate) mod respond;

pub(crate) use accept::Accepts;
pub use body::Body;
pub use cors::{Cors, Grant};
#[cfg(any(feature = "hyper", feature = "tower"))]
pub use cors_service::{CorsFuture, CorsService};
