//! A server for HTTP/1.1 and HTTP/2 that bounds its clients and ends gracefully (feature
//! `serve`).
//!
//! [`serve`] takes a listener and a service. The defaults are safe to expose:
//!
//! ```no_run
//! use mcp_stateless::serve::{self, serve};
//! use mcp_stateless::{StatelessSessionManager, ToolRegistry};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let signals = serve::signals()?;
//! let tools = ToolRegistry::builder().tool("greet", "Say hello", async || "Hello").build()?;
//! let manager = StatelessSessionManager::builder("greeter", "1.0.0").build()?;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! serve(listener, manager.service(tools).at("/mcp"))
//!     .shutdown_on(signals)
//!     .drain(&manager)
//!     .await;
//! # Ok(())
//! # }
//! ```
//!
//! The service may be any of tower's whose responses have bodies of `Bytes`, such as an axum
//! `Router`: `serve(listener, app)`.
//!
//! # What is bounded
//!
//! | what a client may do | bound | set by | default |
//! |---|---|---|--:|
//! | connect | connections at a time | [`max_connections`](Serve::max_connections) | 10,000 |
//! | connect and send no request | time | [`header_timeout`](Serve::header_timeout) | 10 s |
//! | send nothing between requests | time | [`idle_timeout`](Serve::idle_timeout) | 75 s |
//! | read less than 4 KiB of a response | time | [`write_timeout`](Serve::write_timeout) | 30 s |
//! | send many requests on a connection of HTTP/2 | requests at a time | [`max_streams`](Serve::max_streams) | 100 |
//! | send a large head | bytes | | 64 KiB, 16 KiB in HTTP/2 |
//! | send a large body, or slowly | bytes, time, bytes of all bodies | [`max_body_size`], [`read_timeout`], [`max_bytes_in_flight`] | 4 MiB, 30 s, 64 MiB |
//! | listen to changes | streams, in all and of one caller | [`max_listeners`], [`max_listeners_per_principal`] | 1024, 128 |
//! | call a tool that takes long | time | [`tool_time_limit`] | 5 min |
//!
//! The last three rows are settings of the manager, and only apply to its requests. Other routes of an
//! application need their own limits. Behind a proxy, connections belong to the proxy:
//! [`max_streams`](Serve::max_streams) times the number of its connections should be the number of
//! requests that this process can have in flight, and the [`idle_timeout`](Serve::idle_timeout) should be
//! longer than the proxy's.
//!
//! When no connection can be accepted, for example because the process is out of descriptors,
//! the server keeps serving those it has and tries again. TLS, and HTTP/2 that TLS negotiates,
//! belong to a proxy or to the host's own [`Listener`]; without TLS, clients speak HTTP/2 with
//! prior knowledge. All of this is tested on Linux only.
//!
//! # Memory after a flood
//!
//! The memory bounded above is returned to the allocator immediately, but glibc's allocator does not
//! always return it to the operating system. It raises its threshold for separate mappings with the
//! largest block it has freed, up to 32 MiB, and each thread has its own heap. After three rounds of
//! 64 calls with 3 MiB each, over 32 connections to the example `hyper_server` with two
//! workers:
//!
//! | environment | memory before, MB | maximum | after | CPU, s |
//! |---|--:|--:|--:|--:|
//! | no setting | 4 | 120 | 73 | 1.1 |
//! | `MALLOC_ARENA_MAX=2` | 4 | 116 | 48 | 1.1 |
//! | `MALLOC_TRIM_THRESHOLD_=131072` | 4 | 84 | 9 | 1.8 |
//! | `MALLOC_MMAP_THRESHOLD_=131072` | 4 | 79 | 12 | 1.8 |
//!
//! Each of the last two settings fixes glibc's thresholds. Calls with blocks of 128 KiB and more then take
//! 60 % more CPU time, because memory is mapped again each time. With the other settings, the next flood
//! reuses the memory that was kept.
//!
//! # Shutting down
//!
//! When the future of [`shutdown_on`](Serve::shutdown_on) completes, the listener and idle
//! connections are closed, subscriptions end with their result, and requests in flight finish.
//! Connections that are still open after the [`drain_timeout`](Serve::drain_timeout) are cut, so
//! a client that is stuck does not keep the process alive. With
//! [`announce_for`](Serve::announce_for), this starts some time after the signal, so that load balancers
//! can notice.
//!
//! [`max_body_size`]: crate::manager::ManagerBuilder::max_body_size
//! [`read_timeout`]: crate::manager::ManagerBuilder::read_timeout
//! [`max_bytes_in_flight`]: crate::manager::ManagerBuilder::max_bytes_in_flight
//! [`max_listeners`]: crate::manager::ManagerBuilder::max_listeners
//! [`max_listeners_per_principal`]: crate::manager::ManagerBuilder::max_listeners_per_principal
//! [`tool_time_limit`]: crate::manager::ManagerBuilder::tool_time_limit

mod accept;
mod activity;
mod builder;
mod connection;
mod io;
mod listener;
mod service;
mod signals;
mod stream;

pub use builder::{Ended, Serve};
pub use listener::{Listener, Socket};
pub use signals::signals;

/// Serves `service` on `listener`, over HTTP/1.1 and HTTP/2.
///
/// Returns a [`Serve`], whose methods set bounds. Await it within a Tokio runtime whose I/O and
/// timers are enabled. It spawns a task for each connection, and one for each request of HTTP/2;
/// all tasks have ended when it completes.
///
/// The bounds cost a request only a few counters: timers run for each connection and for a write
/// that waits, not for each request.
pub fn serve<L: Listener, S>(listener: L, service: S) -> Serve<L, S> {
    Serve::new(listener, service)
}
