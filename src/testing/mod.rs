//! An in-memory client for tests of a server (feature `test-util`).
//!
//! A [`TestClient`] calls any registry through a [`StatelessSessionManager`], like a client of
//! either era: with all checks, pages, streams and questions, but without sockets. A test of one
//! tool takes three lines:
//!
//! ```
//! # use mcp_stateless::ToolRegistry;
//! use mcp_stateless::testing::TestClient;
//! use serde_json::json;
//!
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Add { a: i64, b: i64 }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let tools = ToolRegistry::builder().tool("add", "Add", async |Add { a, b }: Add| a + b).build().unwrap();
//! let client = TestClient::new(tools);
//! let sum = client.call("add", json!({"a": 10, "b": 20})).await;
//! assert_eq!(sum.text(), "30");
//! # }
//! ```
//!
//! To call a handler as a plain function, create a [`CallContext`](crate::CallContext) with
//! [`context`], which collects what the handler sends.
//!
//! The client panics on responses that a correct server cannot send, such as invalid JSON-RPC, with
//! a message that shows the response.
//!
//! [`StatelessSessionManager`]: crate::StatelessSessionManager

mod client;
mod context;
mod question;
mod reply;
mod request;
#[cfg(feature = "tasks")]
mod task;
#[cfg(feature = "tasks")]
pub mod task_store;
mod wire;

pub use client::{TestClient, TestListener};
pub use context::{TestContext, context};
pub use question::TestQuestion;
pub use reply::{Progress, TestReply};
