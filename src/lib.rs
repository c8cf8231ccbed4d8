//! Serve the [Model Context Protocol](https://modelcontextprotocol.io) over Streamable HTTP
//! without sessions.
//!
//! A [`StatelessSessionManager`] takes an HTTP request and a registry of tools, and returns an
//! HTTP response. It serves the revisions with a handshake (2025-03-26, 2025-06-18, 2025-11-25)
//! and the stateless one (2026-07-28) at one endpoint. Each request carries everything that is needed
//! to answer it, so any client works behind any load balancer and across restarts.
//!
//! ```no_run
//! use mcp_stateless::{CallContext, StatelessSessionManager, ToolRegistry};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Add {
//!     a: i64,
//!     b: i64,
//! }
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Import {
//!     /// The file with the rows.
//!     path: String,
//! }
//!
//! async fn import(args: Import, cx: CallContext) -> Result<String, std::io::Error> {
//!     cx.progress(1.0, Some(2.0), "reading").await;
//!     let text = tokio::fs::read_to_string(args.path).await?; // logged; the client gets a reference
//!     cx.progress(2.0, Some(2.0), "counting").await;
//!     Ok(format!("{} rows", text.lines().count()))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let tools = ToolRegistry::builder()
//!         .tool("add", "Add two integers", async |Add { a, b }: Add| a + b)
//!         .tool("import", "Import rows", import)
//!         .build()?;
//!     let manager = StatelessSessionManager::builder("math", "1.0.0").build()?;
//!
//!     let app = axum::Router::new().route_service("/mcp", manager.service(tools));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! The service can also be mounted in hyper and in any other tower application. The function `serve`
//! (feature `serve`) is an HTTP server with safe limits. [`StatelessSessionManager::handle`] serves a
//! single request without a server, for example in a serverless function.
//!
//! # Where to start
//!
//! - The [guides](guide/index.html): a first server; state, errors and rights; testing; asking the
//!   user; tasks; authorization; deploying; observing; writing a registry; coming from `rmcp`.
//! - [`Handler`](call::Handler) describes what a handler can take and return.
//! - [`ToolRegistry`], [`PromptRegistry`] and [`ResourceRegistry`] hold handlers. A [`Catalog`]
//!   joins registries, [`Filtered`](registry::Filtered) shows each caller a part of one, and
//!   [`Live`](registry::Live) replaces one at run time.
//! - [`ManagerBuilder`](manager::ManagerBuilder) has a setting for every limit and default.
//!
//! # Errors
//!
//! Clients only see errors of a handler that [`ToolError::new`] marks as safe to show.
//! [`ManagerBuilder::on_error`](manager::ManagerBuilder::on_error) lets the host decide about all
//! others.
//!
//! # Logging
//!
//! Each request has a span, and spans and events go to the subscriber of `tracing`. For metrics, set an
//! [`Observer`](observe::Observer). The guide "Observing" (`guide::observing`) lists all events.
//!
//! | level | event |
//! |---|---|
//! | error | a handler panicked, or failed with an error that is not marked as safe to show; the host's own code failed |
//! | warn | a call exceeded its time limit, or ended with an internal error (`-32603`); a setting is missing, or another server failed |
//! | info | the span of a request; a handler failed with a message for its client |
//! | debug | messages for clients; arguments did not match; a call ended with another JSON-RPC error; a request was refused |
//!
//! Each event of a call has its `kind` and `name`. If the client got a reference instead of a message,
//! the event has that `reference`.
//!
//! At the levels `info`, `warn` and `error`, events contain no arguments, results, tokens, states, answers
//! or messages for clients. They contain the texts of errors that are not marked as safe to show, and of
//! their sources. Names are written on one line and truncated at 256 bytes, errors at 4 KiB.
//!
//! # Features
//!
//! On by default:
//!
//! - `schemas`: derives schemas from the types of arguments and results, with `schemars`.
//! - `simd`: scans large strings with SIMD.
//! - `tower`, `hyper`: `StatelessSessionManager::service` returns a tower and a hyper service.
//!
//! Without any feature, the crate serves tools whose schemas are [given](Tool::with_schema),
//! through [`StatelessSessionManager::handle`].
//!
//! Off by default:
//!
//! - `auth`: an OAuth 2.1 resource server: access tokens, scopes, metadata, `DPoP`.
//! - `ask`: questions to the client's user, its model and its file system.
//! - `jsonschema`: checks arguments and structured content against their schemas.
//! - `macros`: `#[tools]`, `#[prompts]` and `#[resources]` turn methods into handlers,
//!   `#[derive(FromRef)]` makes the fields of a state available to them, and `#[debug_handler]`
//!   makes the compiler say why a function is not a handler.
//! - `otel`: fields from which `tracing-opentelemetry` takes the name, kind and status of spans, and a
//!   trait to continue the traces of other processes. All other attributes do not depend on this feature.
//! - `serve`: an HTTP/1.1 and HTTP/2 server with limits and graceful shutdown.
//! - `tasks`: the tasks extension, in which calls outlive their request and clients ask for the result.
//! - `templates`: resource templates.
//! - `test-util`: an in-memory client for tests.
//!
//! The crate `mcp-stateless-upstream` has registries that are backed by other MCP servers, and
//! `mcp-stateless-redis` stores the state that replicas share. Both only use the public interface of this
//! crate.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private;
#[cfg(feature = "ask")]
pub mod ask;
#[cfg(feature = "auth")]
pub mod auth;
pub mod call;
mod cells;
pub mod changes;
pub mod completion;
mod deadline;
mod drain;
mod error;
// Only documentation. Its examples need all of these features.
#[cfg(all(
    any(doc, doctest),
    feature = "auth",
    feature = "macros",
    feature = "serve",
    feature = "tasks",
    feature = "templates",
    feature = "test-util",
    feature = "tower",
))]
pub mod guide;
#[cfg(any(feature = "ask", feature = "auth"))]
mod hex_keys;
mod http;
mod jsonrpc;
pub mod manager;
pub mod observe;
mod places;
mod principal;
pub mod prompt;
pub mod protocol;
#[cfg(test)]
mod race;
pub mod registry;
mod reply;
mod request;
pub mod resource;
#[cfg(feature = "serve")]
pub mod serve;
mod settings;
#[cfg(feature = "tasks")]
pub mod task;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod tool;

pub use crate::call::{CallContext, State};
pub use crate::error::{ConfigError, RegistryError};
#[cfg(any(feature = "hyper", feature = "tower"))]
pub use crate::manager::McpService;
pub use crate::manager::StatelessSessionManager;
pub use crate::principal::Principal;
pub use crate::prompt::Prompt;
pub use crate::registry::{Catalog, PromptRegistry, Registry, ResourceRegistry, ToolRegistry};
pub use crate::resource::Resource;
#[cfg(feature = "serve")]
pub use crate::serve::serve;
pub use crate::tool::{Json, Tool, ToolError, ToolOutput};

#[cfg(feature = "macros")]
pub use mcp_stateless_macros::{debug_handler, prompts, resources, tools};

/// Compiles and runs the examples of the README.
#[cfg(all(doctest, feature = "macros", feature = "serve"))]
#[doc = include_str!("../README.md")]
struct Readme;
