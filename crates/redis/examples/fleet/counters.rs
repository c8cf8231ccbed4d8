//! Counters that the replicas share.

use std::time::Duration;

use mcp_stateless::ToolError;
use mcp_stateless::changes::{Change, Changes};
use mcp_stateless::protocol::RpcError;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

/// The time limit of a command.
const LIMIT: Duration = Duration::from_secs(2);
/// How long an unused counter is kept, in seconds.
const KEPT: u64 = 600;

/// Named counters in Redis. Each increment is published as a change to all replicas.
pub(crate) struct Counters {
    client: redis::Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    pub(crate) changes: Changes,
}

fn uri(name: &str) -> String {
    format!("counter://{name}")
}

fn key(name: &str) -> String {
    format!("{{fleet}}:counter:{name}")
}

impl Counters {
    pub(crate) fn open(url: &str, changes: Changes) -> redis::RedisResult<std::sync::Arc<Self>> {
        let client = redis::Client::open(url)?;
        Ok(std::sync::Arc::new(Self { client, connection: Mutex::default(), changes }))
    }

    /// Increments a counter, and returns its value.
    pub(crate) async fn count(&self, name: &str) -> Result<u64, ToolError> {
        let mut pipe = redis::pipe();
        pipe.atomic().incr(key(name), 1).expire(key(name), KEPT.cast_signed()).ignore();
        let (sum,): (u64,) = self.run(&pipe).await?;
        self.changes.publish(Change::Resource(&uri(name)));
        Ok(sum)
    }

    pub(crate) async fn sum(&self, name: &str) -> Result<u64, ToolError> {
        let mut pipe = redis::pipe();
        pipe.get(key(name));
        let (sum,): (Option<u64>,) = self.run(&pipe).await?;
        Ok(sum.unwrap_or(0))
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LIMIT))
            .set_response_timeout(Some(LIMIT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Runs commands, and reconnects after an error.
    async fn run<T: redis::FromRedisValue>(&self, pipe: &redis::Pipeline) -> Result<T, ToolError> {
        let away = |error: redis::RedisError| {
            tracing::warn!(%error, "a counter cannot be reached");
            ToolError::from(RpcError::unavailable("The counters cannot be reached now: try again later"))
        };
        let mut shared = self.connection.lock().await;
        let mut connection = match shared.clone() {
            Some(connection) => connection,
            None => self.connect().await.map_err(away)?,
        };
        *shared = Some(connection.clone());
        drop(shared);
        let ran = pipe.query_async(&mut connection).await;
        if ran.is_err() {
            *self.connection.lock().await = None;
        }
        ran.map_err(away)
    }
}
