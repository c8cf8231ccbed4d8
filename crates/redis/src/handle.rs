//! The handle that creates the bus, the guard and the store.

use std::fmt;

use crate::bus::RedisBus;
use crate::error::Error;
use crate::guard::RedisAnswerGuard;
use crate::link::{Link, Request};
use crate::tasks::RedisTaskStore;

/// A handle to Redis, created by [`Redis::builder`]. Everything that is created from it, and all its clones,
/// share one connection for commands and one for subscriptions.
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

    /// Checks that Redis can be reached and used. A server does not need to call this before it starts,
    /// because calls that do not need Redis are served without it.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached within the
    /// [`command_timeout`](crate::RedisBuilder::command_timeout), if it refuses the user, or if its
    /// version or role is not supported.
    pub async fn check(&self) -> Result<(), Error> {
        self.link.run(&Request::Command(redis::cmd("PING"))).await.map(drop)
    }

    /// Returns the bus. All calls return the same bus.
    pub fn bus(&self) -> RedisBus {
        self.bus.clone()
    }

    /// Creates a guard that accepts each answer once on all replicas.
    pub fn answer_guard(&self) -> RedisAnswerGuard {
        RedisAnswerGuard::new(self.link.clone(), &self.prefix)
    }

    /// Creates a task store with the default limits.
    pub fn task_store(&self) -> RedisTaskStore {
        RedisTaskStore::new(self.link.clone(), &self.prefix)
    }
}

/// Omits the address.
impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
