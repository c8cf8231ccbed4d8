//! The handle from which all is created.

use std::fmt;

use crate::bus::RedisBus;
use crate::error::Error;
use crate::guard::RedisAnswerGuard;
use crate::link::{Link, Request};
use crate::tasks::RedisTaskStore;

/// A handle to Redis, which all that is created from it shares: one connection for commands, and one
/// for subscriptions. Created by [`Redis::builder`]. Clones are the same handle.
#[derive(Clone)]
pub struct Redis {
    link: Link,
    /// The prefix, in braces.
    prefix: String,
    bus: RedisBus,
}

impl Redis {
    pub(crate) fn new(link: Link, prefix: String, origin: [u8; 8]) -> Self {
        let bus = RedisBus::new(link.clone(), &prefix, origin);
        Self { link, prefix, bus }
    }

    /// Checks that Redis can be reached and used. A server need not wait for that when it starts: it
    /// serves without Redis what needs none of it.
    ///
    /// # Errors
    /// When Redis cannot be reached within the
    /// [`command_timeout`](crate::RedisBuilder::command_timeout), does not accept the user, or is of a
    /// version or kind that cannot be used.
    pub async fn check(&self) -> Result<(), Error> {
        self.link.run(&Request::Command(redis::cmd("PING"))).await.map(drop)
    }

    /// Returns the bus. All calls return the same one.
    pub fn bus(&self) -> RedisBus {
        self.bus.clone()
    }

    /// Creates a guard that accepts answers once, on all replicas.
    pub fn answer_guard(&self) -> RedisAnswerGuard {
        RedisAnswerGuard::new(self.link.clone(), &self.prefix)
    }

    /// Creates a store of tasks, with the default bounds.
    pub fn task_store(&self) -> RedisTaskStore {
        RedisTaskStore::new(self.link.clone(), &self.prefix)
    }
}

/// Does not show the address.
impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
