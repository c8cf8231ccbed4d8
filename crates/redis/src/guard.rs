//! Answers that are accepted once.

use std::fmt;

use mcp_stateless::ask::{AnswerGuard, Redeeming, Redemption};
use redis::FromRedisValue;

use crate::error::{Error, ErrorKind};
use crate::link::{Link, Request};
use crate::random::random;

/// An [`AnswerGuard`] in Redis, created by [`Redis::answer_guard`](crate::Redis::answer_guard).
///
/// For each redeemed state, Redis stores a key of about 150 bytes until the state expires. Only the memory
/// of Redis limits the number of keys. Set `maxmemory`, and leave `maxmemory-policy` at `noeviction`,
/// because a state whose key was evicted could be redeemed again. When Redis is full, answers are refused
/// with 503. Redis must persist its keys (`appendonly yes`), otherwise states that were redeemed before a
/// restart could be redeemed again until they expire.
#[derive(Clone)]
pub struct RedisAnswerGuard {
    link: Link,
    /// The prefix of keys. The id of the state follows.
    prefix: String,
}

impl RedisAnswerGuard {
    pub(crate) fn new(link: Link, prefix: &str) -> Self {
        Self { link, prefix: format!("{prefix}:redeemed:") }
    }

    async fn redeem_now(&self, redemption: &Redemption) -> Result<bool, Error> {
        // The mark tells a repeated attempt that the first one has succeeded.
        let mark = random::<16>()?.to_vec();
        let milliseconds = u64::try_from(redemption.keep_for().as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("SET");
        command.arg(format!("{}{}", self.prefix, redemption.id())).arg(&mark);
        command.arg("NX").arg("GET").arg("PX").arg(milliseconds.clamp(1, i64::MAX as u64 / 4));
        let response = self.link.run(&Request::Command(command)).await?;
        let before = Option::<Vec<u8>>::from_redis_value(response.value).map_err(|_| ErrorKind::Nonsense)?;
        Ok(before.is_none_or(|before| before == mark))
    }
}

impl AnswerGuard for RedisAnswerGuard {
    fn redeem<'a>(&'a self, redemption: &'a Redemption) -> Redeeming<'a> {
        Box::pin(async move { Ok(self.redeem_now(redemption).await?) })
    }
}

impl fmt::Debug for RedisAnswerGuard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisAnswerGuard").finish_non_exhaustive()
    }
}
