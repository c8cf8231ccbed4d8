//! From untrusted to trusted: [`agree`] is the only way to a [`ValidRequest`].
//!
//! The checks run in this order, and the first that fails decides the answer:
//!
//! 1. the body is UTF-8, nests no deeper than 128 levels and is JSON (`-32700`);
//! 2. it is a JSON-RPC request or notification whose `params` is an object (`-32600`);
//! 3. the era: `_meta` names a version, or the header names a modern one (then
//!    `_meta` must too, `-32602`), or neither (legacy);
//! 4. the version: header and body agree (`-32020`), the server speaks it (`-32022`);
//! 5. `Mcp-Method` and `Mcp-Name` agree with the body (`-32020`);
//! 6. `_meta` has what it must have, of the right types (`-32602`).
//!
//! What depends on the tool that is called comes after, in its registry: the tool
//! exists (`-32602`), the client has the capabilities it needs (`-32021`), the
//! `Mcp-Param-*` headers agree with the arguments (`-32020`), the arguments fit.

mod agree;
mod params;
mod rejection;
mod valid;

pub(crate) use agree::{Refused, agree, unread_id};
pub(crate) use params::{Params, RareParams};
pub use rejection::Refusal;
pub(crate) use rejection::Rejection;
pub(crate) use valid::{ClientAnswer, InBatch, Valid, ValidRequest};
