//! Stores the state that the replicas of an [`mcp_stateless`] server share in Redis 7 or newer, or in
//! Valkey.
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
//!     .answer_bus(Arc::new(redis.bus())) // answers of legacy clients can arrive at any replica
//!     .answer_guard(redis.answer_guard()) // each answer is accepted once
//!     .build()?;
//! // To notify the clients of all replicas of changes: `Changes::over(Arc::new(redis.bus()), "tools")`.
//! // To share tasks: `Tasks::shared(Arc::new(redis.task_store()), Arc::new(redis.bus()))`.
//! # Ok(())
//! # }
//! ```
//!
//! # Addresses
//!
//! | URL | what it means |
//! |---|---|
//! | `redis://user:password@host:port/database` | one server; all parts except the host are optional |
//! | `rediss://…` | the same with TLS |
//! | `redis://host,host:port/…` | several servers, such as the nodes of a Cluster; the first usable one is used |
//! | `redis+sentinel://user:password@host,host:port/name/database` | the server that these sentinels call `name`; user and password are those of the server. With TLS: `rediss+sentinel://` |
//! | `unix:///path?db=…&user=…&pass=…` | one server at a Unix socket |
//!
//! All schemes can also be written with `valkey` instead of `redis`. Percent-encode special characters in
//! URLs, for example `@` as `%40` and `/` as `%2F`.
//!
//! **Sentinel**: when a replica is promoted, the next command uses the new server. Redis replicates
//! asynchronously, so the last writes before a failover may be lost: a task that a client already knows, the
//! end of a task (its call is then restarted if that is allowed, and otherwise marked as failed), an answer,
//! or the fact that a state was redeemed. With `min-replicas-to-write 1`, a server that is cut off stops
//! accepting writes sooner. For sentinels that require a password, set
//! [`sentinel_user`](RedisBuilder::sentinel_user).
//!
//! **Cluster**: all keys of a server are on one node, because its scripts use several keys. If their slot
//! moves to another node, the connection follows. Servers with different prefixes may be on different
//! nodes. With TLS, the nodes must announce host names that match their certificates
//! (`cluster-preferred-endpoint-type hostname`).
//!
//! # When Redis is unavailable
//!
//! Calls that do not need Redis are served as usual. Other calls wait for up to the
//! [`command_timeout`](RedisBuilder::command_timeout) and then get 503 with `Retry-After`; they do not wait
//! if Redis has already been unavailable for longer. Subscriptions stay open. When Redis is back, their
//! clients are notified as if everything that they watch had changed, because changes may have been lost.
//!
//! # Configuration of Redis
//!
//! - `appendonly yes`. Otherwise tasks and redeemed states are lost when Redis restarts. If they must also
//!   survive a crash of the machine, set `appendfsync always`.
//! - `maxmemory` with `maxmemory-policy noeviction`. An evicted key would be a lost task, or a state that
//!   can be redeemed again. Every key has an expiry, so nothing has to be evicted.
//! - Synchronised clocks, if one Redis server can replace another. Leases and expiries use the server's
//!   time: a server whose clock is ahead by a lease gives tasks to other replicas while theirs still run.
//!   Even then no task has two writers, but a call that must not be repeated is marked as failed.
//! - A separate user for each server, with the permissions `~{prefix}:*`, `&{prefix}:*` and
//!   `+@all -@dangerous -@admin`. The braces are part of the names.
//!
//! Tasks are sealed. Changes and answers are sent through Redis unencrypted, so protect Redis as you
//! protect the requests.

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
