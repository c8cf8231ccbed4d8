//! From untrusted to trusted: only [`agree`] creates a [`ValidRequest`].
//!
//! The checks run in this order, and the first one that fails decides the reply:
//!
//! 1. the body is UTF-8, valid JSON, and nested at most 128 levels deep (`-32700`);
//! 2. it is a JSON-RPC request or notification whose `params` is an object (`-32600`);
//! 3. the era: modern if `_meta` names a version, or if the header names a modern one (then
//!    `_meta` must name it too, `-32602`); otherwise legacy;
//! 4. the version: header and body agree (`-32020`), and the server supports it (`-32022`);
//! 5. `Mcp-Method` and `Mcp-Name` agree with the body (`-32020`);
//! 6. `_meta` has its required members, and they have the right types (`-32602`).
//!
//! The registry then makes the checks that depend on the tool: the tool exists (`-32602`), the
//! client has the capabilities that the tool needs (`-32021`), the `Mcp-Param-*` headers agree
//! with the arguments (`-32020`), and the arguments are valid.

mod agree;
mod params;
mod rejection;
mod valid;

pub(crate) use agree::{Refused, agree, unread_id};
pub(crate) use params::{Params, RareParams};
pub use rejection::Refusal;
pub(crate) use rejection::Rejection;
pub(crate) use valid::{ClientAnswer, InBatch, Valid, ValidRequest};
