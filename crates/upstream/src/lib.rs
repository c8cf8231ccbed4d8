//! Registries for [`mcp_stateless`] whose tools, prompts and resources are those of other servers.
//!
//! An [`Upstream`] connects to another MCP server, over a child's stdio or over Streamable HTTP, in
//! either era, with sessions or without. It is a [`Registry`](mcp_stateless::Registry): serve it
//! alone, or join several in a [`Catalog`](mcp_stateless::Catalog).
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
//! Nothing is started or sent before the first request that needs it. Lists and results reach
//! clients byte for byte, and questions of the upstream are passed to the client whose call it
//! serves. Each caller has its own session; [`credential`](UpstreamBuilder::credential) sets how
//! callers are distinguished.
//!
//! # What happens when something fails
//!
//! - A call that the upstream has not started, because it forgot the session or did not read its
//!   input, is repeated in another session. Any other call that loses its session fails with an
//!   error that gives this reason.
//! - A child that ends at a request of the modern era, like servers that accept nothing before
//!   `initialize`, is started again with `initialize` alone.
//! - A child that ends at a request of the modern era, like servers that accept nothing before
//!   `initialize`, is started again with `initialize` alone.
//! - A session that cannot be opened is retried after a wait that doubles up to 10 s. Calls in
//!   between fail immediately.
//! - A list that does not arrive within 0.8 s is answered with the last one that the same caller
//!   received, and listening clients are notified when the new one arrives.
//! - The `_meta` of an incomplete list names the missing parts, under `mcp-stateless/missing`.
//!
//! Clients learn which upstream failed and how, but receive no text from it. The host's log has the
//! full text, through `tracing`.
//!
//! # How it is built
//!
//! Each file imports only from those below it:
//!
//! - `builder`, `registry`: the public interface, for setting up and as a registry.
//! - `call`, `rounds`, `parked`: a call, which may ask its client.
//! - `listing`: requests that survive the loss of a session, and lists that survive more.
//! - `leasing`, `pool`, `callers`, `known`, `eras`: opening and sharing sessions, their owners, and
//!   the eras that they use.
//! - `lists`, `fetch`: the lists of an upstream.
//! - `session`, `handshake`, `watches`: one session, how it is opened, and what it listens to.
//! - `client`: requests, and waiting for their outcomes.
//! - `transport`: the ways to an upstream, which send and receive texts.
//! - `connection`, `question`, `inbox`: routing of messages. What all calls of a session share
//!   never waits for one of them.
//! - `observe`: a span for each request. `observer`: the trait for metrics.
//! - `message`, `failure`, `settings`: types that all of these use.
//!
//! Tokio tasks are spawned for each session, for each HTTP request that continues without its caller, for
//! each list that is fetched, and for closing unused sessions. They end with the `Upstream`, except that an
//! abandoned `initialize` may take up to a minute longer, so that its session can be ended.

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
mod observe;
mod observer;
mod outgoing;
mod parked;
mod pool;
mod question;
mod registry;
mod rounds;
mod session;
mod settings;
mod tasks;
mod transport;
mod watches;

pub use builder::UpstreamBuilder;
pub use error::UpstreamError;
pub use info::{UpstreamInfo, UpstreamStats};
pub use observer::{EndedUpstreamRequest, UpstreamEnd, UpstreamObserver};
pub use registry::Upstream;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
