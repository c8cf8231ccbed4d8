//! A client in memory, for tests of what a server offers (feature `test-util`).
//!
//! A [`TestClient`] calls any registry through a [`StatelessSessionManager`], as a client of
//! either era would: with all checks, pages, streams and questions, but without sockets. A test
//! of one tool takes three lines:
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
//! A handler can be called as the function it is, too: [`context`] makes a
//! [`CallContext`](crate::CallContext) for it, and collects what is sent by it.
//!
//! The client is for tests: what cannot happen in one that is right, such as an answer that is
//! not valid JSON-RPC, panics with a message that says what came.
//!
//! [`StatelessSessionManager`]: crate::StatelessSessionManager

mod client;
mod context;
mod question;
mod reply;
mod request;
mod wire;

pub use client::{TestClient, TestListener};
pub use context::{TestContext, context};
pub use question::TestQuestion;
pub use reply::{Progress, TestReply};
