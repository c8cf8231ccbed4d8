//! Registries that live in other servers (feature `upstream`).
//!
//! An [`Upstream`] stands for another MCP server, over a child's stdio or over Streamable
//! HTTP, of either era, with sessions or without. Being a client is left to `rmcp`: the
//! handshakes, the ids, the streams and their resumption. What is ours:
//!
//! - [`pool`]: whose sessions are open, and who makes room for whom.
//! - [`session`], [`pending`]: one session, and the requests that it works on.
//! - [`wire`], [`router`]: what goes over the wire, before `rmcp` makes it its own. Results
//!   go through `rmcp` as texts, so that nothing of them is lost; progress, log messages and
//!   changes go to their calls at once, so that nothing of them is queued without a bound.
//! - [`stdio`] over a [`child`], and [`http`] with its [`sse`]: the transports.
//! - [`call`], [`parked`]: a call, which may ask its client in the midst of it.
//!
//! This is one of the few places where tasks are spawned: one for each session, one for its
//! child, one that sweeps. None outlives the `Upstream` by more than it takes to end.

mod builder;
mod call;
mod child;
mod counters;
mod error;
mod http;
mod info;
mod lists;
mod opening;
mod parked;
mod pending;
mod pool;
mod raw;
mod registry;
mod router;
mod session;
mod sse;
mod stdio;
mod target;
mod tasks;
mod wire;

pub use builder::UpstreamBuilder;
pub use error::UpstreamError;
pub use info::{UpstreamInfo, UpstreamStats};
pub(crate) use raw::{Shape, write_raw};
pub use registry::Upstream;
