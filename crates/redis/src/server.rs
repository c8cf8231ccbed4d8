//! Finds a usable server, and connects to it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionInfo, FromRedisValue, RedisError, ServerErrorKind, Value};
use tokio::time::timeout;

use crate::source::{self, Source};

/// How many redirections between the nodes of a Cluster are followed.
const MOST_MOVES: usize = 5;

/// A connection to a server that accepts writes to the keys of the prefix.
pub(crate) struct Server {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) info: ConnectionInfo,
}

/// Finds a server and connects to it. The error is the one of the last server that was tried.
pub(crate) async fn find(source: &Source, key: &str, limit: Duration) -> Result<Server, String> {
    let mut reason = String::new();
    match source {
        Source::Servers(servers) => {
            for info in servers {
                match enter(info.clone(), key, limit).await {
                    Ok(server) => return Ok(server),
                    Err(error) => reason = error,
                }
            }
        }
        Source::Sentinels { sentinels, name, server } => {
            for sentinel in sentinels {
                let found = match ask(sentinel, name, limit).await {
                    Ok((host, port)) => enter(source::moved(server, &host, port), key, limit).await,
                    Err(error) => Err(error),
                };
                match found {
                    Ok(server) => return Ok(server),
                    Err(error) => reason = error,
                }
            }
        }
    }
    Err(reason)
}

/// Asks a sentinel for the address of the server.
async fn ask(sentinel: &ConnectionInfo, name: &str, limit: Duration) -> Result<(String, u16), String> {
    let mut connection = connect(sentinel, limit).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let address: Option<(String, u16)> =
        command.query_async(&mut connection).await.map_err(|error| said(sentinel, &error))?;
    address.ok_or_else(|| format!("the sentinel at {} knows no {name:?}", sentinel.addr()))
}

/// Connects to a server, or to the node of its cluster that has the key.
async fn enter(mut info: ConnectionInfo, key: &str, limit: Duration) -> Result<Server, String> {
    for _ in 0..MOST_MOVES {
        let mut connection = connect(&info, limit).await?;
        check(&info, &mut connection).await?;
        let found = redis::cmd("EXISTS").arg(key).query_async::<Value>(&mut connection).await;
        let Err(error) = found else { return Ok(Server { connection, info }) };
        let is_moved = error.kind() == ServerErrorKind::Moved.into();
        let to = error.redirect_node().filter(|_| is_moved).and_then(|(to, _)| source::host_and_port(to));
        let Some((host, port)) = to else { return Err(said(&info, &error)) };
        // A node that does not know its host name sends an empty one.
        let host = if host.is_empty() { host_of(&info) } else { host.to_owned() };
        info = source::moved(&info, &host, port);
    }
    Err(format!("the nodes of the cluster at {} do not agree about who has the keys", info.addr()))
}

fn host_of(info: &ConnectionInfo) -> String {
    let address = info.addr().to_string();
    source::host_and_port(&address).map_or(String::new(), |(host, _)| host.to_owned())
}

async fn connect(info: &ConnectionInfo, limit: Duration) -> Result<MultiplexedConnection, String> {
    let client = source::client(info).map_err(|error| said(info, &error))?;
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    // Includes looking up the name.
    match timeout(limit, connecting).await {
        Ok(connected) => connected.map_err(|error| said(info, &error)),
        Err(_) => Err(format!("{}: no connection within {limit:?}", info.addr())),
    }
}

/// Checks that the version and the role of a server are supported.
async fn check(info: &ConnectionInfo, connection: &mut MultiplexedConnection) -> Result<(), String> {
    let hello = redis::cmd("HELLO").query_async::<Value>(connection).await;
    let hello = hello.map_err(|error| said(info, &error))?;
    let field = |name: &str| {
        let entries = Vec::<Value>::from_redis_value_ref(&hello).ok()?;
        let at = entries.chunks(2).find(|entry| {
            entry.first().is_some_and(|key| String::from_redis_value_ref(key).is_ok_and(|key| key == name))
        })?;
        String::from_redis_value_ref(at.get(1)?).ok()
    };
    let fault = |fault: &str| Err(format!("{}: {fault}", info.addr()));
    if field("mode").as_deref() == Some("sentinel") {
        return fault("this is a sentinel, whose URL begins with `redis+sentinel://`");
    }
    let version = field("version").unwrap_or_default();
    if version.split('.').next().and_then(|major| major.parse().ok()).is_none_or(|major: u32| major < 7) {
        return fault(&format!("this is Redis {version}, but 7 or newer is needed, or Valkey"));
    }
    // A replica in a Cluster redirects commands, so it can be used.
    if field("role").as_deref() == Some("replica") && field("mode").as_deref() != Some("cluster") {
        return fault("this is a replica, which takes no writes");
    }
    Ok(())
}

fn said(info: &ConnectionInfo, error: &RedisError) -> String {
    format!("{}: {error}", info.addr())
}
