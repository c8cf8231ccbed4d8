//! Registries that live in other servers, for [`mcp_stateless`].
//!
//! An [`Upstream`] stands for another MCP server, over a child's stdio or over Streamable HTTP,
//! of either era, with sessions or without. It is a [`Registry`](mcp_stateless::Registry) like
//! any other: serve it alone, or join several in a [`Catalog`](mcp_stateless::Catalog).
//!
//! ```
//! use mcp_stateless::{Catalog, StatelessSessionManager};
//! use mcp_stateless_upstream::Upstream;
//!
//! let files = Upstream::stdio("npx").args(["-y", "files-server", "."]).name("files").build()?;
//! let issues = Upstream::http("http://127.0.0.1:9000/mcp").name("issues").build()?;
//! let catalog = Catalog::builder().add_prefixed("files", files).add_prefixed("issues", issues).build()?;
//! let manager = StatelessSessionManager::builder("gateway", "1.0.0").build()?;
//! // `manager.handle(request, &catalog)` serves the tools of both.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing is started or sent before the first request that needs it. What an upstream lists and
//! answers reaches clients byte for byte; what it asks on the way is asked of the client whose
//! call it serves. Sessions belong to one caller each, as
//! [`credential`](UpstreamBuilder::credential) tells callers apart.
//!
//! # What happens when something fails
//!
//! - A call that the upstream has not begun, because it forgot the session or took no input, is
//!   made again in another session. Any other call that loses its session fails, and says so.
//! - A session that cannot be opened is tried again, after a wait that doubles up to 10 s. Calls
//!   in between fail at once.
//! - A list that does not come within 0.8 s is answered by the last one that the same caller was
//!   told, and clients that listen hear when the new one is there.
//! - A list that lacks something says so in its `_meta`, under `mcp-stateless/missing`.
//!
//! Clients read which upstream failed and how, and nothing of what it said; the host's log gets
//! all of it, by `tracing`.
//!
//! # How it is built
//!
//! Each file imports only from those below it:
//!
//! - `builder`, `registry`: the way in, as settings and as a registry.
//! - `call`, `parked`: a call, which may ask its client on the way.
//! - `listing`: requests that survive the loss of a session, and lists that survive more.
//! - `leasing`, `pool`, `callers`, `known`, `eras`: sessions for those who need them, whose they
//!   are, and what they speak.
//! - `lists`, `fetch`: what they list.
//! - `session`, `handshake`, `watches`: one session, its opening, what it listens to.
//! - `client`: requests, and waiting for their outcomes.
//! - `transport`: the ways to an upstream, which send texts and hand on what comes.
//! - `connection`, `question`, `inbox`: where each message goes. What all calls of a session
//!   share waits for none of them.
//! - `message`, `failure`, `settings`: what all of these speak of.
//!
//! Tasks are spawned for each session, for each request over HTTP, for each list that is fetched,
//! and for closing what is not used. They end with the `Upstream`; an `initialize` that was
//! abandoned takes up to a minute more, so that the session which it began can be ended.

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
mod leasing;
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

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
