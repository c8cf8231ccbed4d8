//! What the replicas of an [`mcp_stateless`] server share, in Redis 7 or newer, or in Valkey.
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_stateless::StatelessSessionManager;
//! use mcp_stateless::ask::StateKeys;
//! use mcp_stateless_redis::Redis;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keys = StateKeys::new([7; 32]);
//! let redis = Redis::builder("redis://tracker:secret@redis.internal/0").prefix("tracker").build()?;
//! let manager = StatelessSessionManager::builder("tracker", "1.0.0")
//!     .state_keys(keys) // the same on all replicas
//!     .answer_bus(Arc::new(redis.bus())) // answers of legacy clients, by way of any replica
//!     .answer_guard(redis.answer_guard()) // answers are accepted once
//!     .build()?;
//! // Clients hear of changes on any replica: `Changes::over(Arc::new(redis.bus()), "tools")`.
//! # Ok(())
//! # }
//! ```
//!
//! # Addresses
//!
//! | URL | what it means |
//! |---|---|
//! | `redis://user:password@host:port/database` | one server; every part but the host may be left out |
//! | `rediss://…` | the same with TLS |
//! | `redis://host,host:port/…` | the first of several servers that can be used, such as the nodes of a Cluster |
//! | `redis+sentinel://user:password@host,host:port/name/database` | the server that these sentinels call `name`; user and password are those of the server. `rediss+sentinel://` for TLS |
//! | `unix:///path?db=…&user=…&pass=…` | one server, by a socket |
//!
//! `valkey` may stand for `redis`. In URLs, characters such as `@` and `/` are written as `%40` and
//! `%2F`.
//!
//! **Sentinel**: when a replica is promoted, the next command finds it. Redis replicates
//! asynchronously, so what was written just before may be lost: a task that a client has been told of, the
//! end of one (its call is then begun again if it may be, and otherwise marked as failed), an answer, or
//! that a state was redeemed. `min-replicas-to-write 1` on the servers shortens the time in which a server
//! that is cut off goes on taking writes. Sentinels that need a password get that of
//! [`sentinel_user`](RedisBuilder::sentinel_user).
//!
//! **Cluster**: a server's keys lie on one node, because its steps span several keys, and this crate
//! follows that node when it changes. Another prefix may lie on another node. With TLS, the nodes must
//! announce names for which their certificates are valid (`cluster-preferred-endpoint-type hostname`).
//!
//! # When Redis is away
//!
//! Calls that need nothing of it are served. Others wait for it for up to the
//! [`command_timeout`](RedisBuilder::command_timeout), and then get 503 with `Retry-After`, at once if
//! it has been away for longer. Streams of changes stay open; as soon as Redis is back, their clients
//! are told to look again at what they watch, because a change may have been missed.
//!
//! # What to configure in Redis
//!
//! - `appendonly yes`, or its tasks and redeemed states end with its process. `appendfsync always` if
//!   they must survive a crash of the machine as well.
//! - `maxmemory` with `maxmemory-policy noeviction`: an evicted key would be a lost task, or a state
//!   that can be redeemed again. Every key has an expiry, so nothing has to be evicted.
//! - Clocks that agree, if one Redis can take the place of another. Leases and expiries are times of
//!   the server: one whose clock is a lease ahead gives tasks to other replicas while theirs live. No task
//!   has two writers even then, but a call that may not be repeated is marked as failed.
//! - A user for each server, with the rights `~{prefix}:*`, `&{prefix}:*`, and `+@all -@dangerous
//!   -@admin`. The braces are part of the names.
//!
//! Messages and answers are in Redis as they are; tasks are sealed. It must be as private as the
//! requests.

mod builder;
mod bus;
mod error;
mod guard;
mod handle;
mod link;
mod random;
mod server;
mod source;
mod tasks;

pub use builder::RedisBuilder;
pub use bus::RedisBus;
pub use error::Error;
pub use guard::RedisAnswerGuard;
pub use handle::Redis;
pub use tasks::RedisTaskStore;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
