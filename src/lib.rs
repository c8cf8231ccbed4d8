//! Serve the [Model Context Protocol](https://modelcontextprotocol.io) over
//! Streamable HTTP with no session at all.
//!
//! A [`StatelessSessionManager`] takes an HTTP request and a registry of tools and
//! returns an HTTP response. It serves the revisions with a handshake (2025-03-26,
//! 2025-06-18, 2025-11-25) and the stateless one (2026-07-28) on one endpoint, so
//! that any client works behind any load balancer, across restarts, and whether or
//! not it carries session ids.
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
//!     /// Where the rows are.
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
//! Not only axum: see [`StatelessSessionManager::handle`] for anything that has a
//! request and wants a response, and `McpService` for hyper.
//!
//! # Beyond tools
//!
//! [`PromptRegistry`] and [`ResourceRegistry`] are written like [`ToolRegistry`], and a
//! [`Catalog`] joins them; [`Filtered`] shows each caller a part of one, [`Live`] replaces
//! one while it serves. A handler asks the client's user in one line (feature `ask`), and is
//! the same for clients of all revisions.
//!
//! # Errors and logs
//!
//! A handler that fails tells its client only what its author has declared safe to show, by
//! [`ToolError::new`]; see there, and [`ManagerBuilder::on_error`] for the host's own choice.
//!
//! What happens is logged by `tracing`:
//!
//! | level | what |
//! |---|---|
//! | error | a handler panicked; it failed with an error that was not declared safe to show |
//! | warn | a call took longer than its limit; it was answered by an internal error (`-32603`) |
//! | info | a handler failed with a message for its client |
//! | debug | arguments did not fit; a call was answered by another JSON-RPC error; a request was refused |
//!
//! Each line about a call has its `kind` and its `name`, and where the client was given a
//! reference in place of a message, that. Arguments and results are not logged; an error's own
//! text and its sources are. Names and texts are put on one line and shortened to 4 KiB.
//!
//! # Features
//!
//! On by default; without any, the crate still serves tools whose schemas are
//! [given](Tool::with_schema), through [`StatelessSessionManager::handle`]:
//!
//! - `schemas`: schemas are derived from the types of arguments, by `schemars`.
//! - `tower`, `hyper`: `StatelessSessionManager::service` makes a service of theirs.
//!
//! For those who need them:
//!
//! - `ask`: questions to the client's user, its model and its file system.
//! - `jsonschema`: arguments and structured content are checked against their schemas.
//! - `serve`: a server for HTTP/1.1 and HTTP/2 that bounds its clients and ends gracefully; see
//!   the module `serve`.
//! - `templates`: resource templates.
//! - `test-util`: a client in memory, for tests of what a server offers.
//!
//! Registries that live in other servers are in the crate `mcp-stateless-upstream`, which uses
//! this interface alone.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private;
#[cfg(feature = "ask")]
pub mod ask;
pub mod call;
pub mod changes;
pub mod completion;
mod deadline;
mod drain;
mod error;
mod http;
mod jsonrpc;
pub mod manager;
mod places;
mod principal;
pub mod prompt;
pub mod protocol;
pub mod registry;
mod reply;
mod request;
pub mod resource;
#[cfg(feature = "serve")]
pub mod serve;
mod settings;
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
#[cfg(all(doctest, feature = "schemas", feature = "serve"))]
#[doc = include_str!("../README.md")]
struct Readme;
