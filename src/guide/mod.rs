//! Guides, from a first server to a registry of your own.
//!
//! | guide | what it shows |
//! |---|---|
//! | [`first_server`] | a server with two tools, and how to call it |
//! | [`handlers`] | shared state, parts of the request, errors, rights, middleware |
//! | [`testing`] | testing tools, prompts and resources in memory |
//! | [`asking`] | asking the client's user in the middle of a call |
//! | [`tasks`] | calls that take longer than a client wants to wait |
//! | [`authorization`] | access tokens, scopes, proofs of possession |
//! | [`deploying`] | hosts, callers, limits, replicas, shutdown, nginx, Kubernetes, serverless functions |
//! | [`observing`] | spans, metrics, logs, OpenTelemetry |
//! | [`registries`] | serving items from a database or another system |
//! | [`from_rmcp`] | coming from the official SDK |
//!
//! The example `examples/tracker` is a whole application with tests.

#[doc = include_str!("first_server.md")]
pub mod first_server {}

#[doc = include_str!("handlers.md")]
pub mod handlers {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("asking.md")]
pub mod asking {}

#[doc = include_str!("tasks.md")]
pub mod tasks {}

#[doc = include_str!("authorization.md")]
pub mod authorization {}

#[doc = include_str!("deploying.md")]
pub mod deploying {}

#[doc = include_str!("observing.md")]
pub mod observing {}

#[doc = include_str!("registries.md")]
pub mod registries {}

#[doc = include_str!("from_rmcp.md")]
pub mod from_rmcp {}
