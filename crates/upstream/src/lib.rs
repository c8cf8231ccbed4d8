//! Registries that live in other servers (feature `upstream`).
//!
//! An [`Upstream`] stands for another MCP server, over a child's stdio or over Streamable
//! HTTP, of either era, with sessions or without. Each file imports only from those below it:
//!
//! - [`builder`], [`registry`]: the way in, as settings and as a
//!   [`Registry`](mcp_stateless::Registry).
//! - [`call`], [`parked`]: a call, which may ask its client on the way.
//! - [`listing`]: requests that survive the loss of a session, and lists that survive more.
//! - [`pool`], [`callers`], [`known`], [`eras`], [`lists`]: whose sessions are open, what they speak, what they list.
//! - [`session`], [`handshake`], [`watches`]: one session, its opening, what it listens to.
//! - [`client`]: requests, and waiting for their outcomes.
//! - [`transport`]: the ways to an upstream, which send texts and hand on what comes.
//! - [`connection`], [`question`], [`inbox`]: where each message goes. What all calls of a
//!   session share waits for none of them.
//! - [`message`], [`failure`], [`settings`]: what all of these speak of.
//!
//! This is one of the few places where tasks are spawned: one for each session, one for each
//! request over HTTP, one for each list that is fetched, and one that sweeps. None outlives
//! the `Upstream` by more than it takes to end.

mod builder;
mod call;
mod callers;
mod client;
mod connection;
mod counters;
mod eras;
mod error;
mod failure;
mod fetch;
mod handshake;
mod inbox;
mod info;
mod kind;
mod known;
mod listing;
mod lists;
mod message;
mod meta;
mod outgoing;
mod parked;
mod pool;
mod question;
mod registry;
mod session;
mod settings;
mod tasks;
mod transport;
mod watches;

pub use builder::UpstreamBuilder;
pub use error::UpstreamError;
pub use info::{UpstreamInfo, UpstreamStats};
pub use registry::Upstream;
