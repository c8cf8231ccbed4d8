//! The connection for commands, which reconnects whenever it is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    Cmd, ConnectionInfo, ErrorKind as RedisErrorKind, RedisError, ScriptInvocation, ServerErrorKind, Value,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::server::{self, Server};
use crate::source::Source;

/// The shortest and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// The pause before a command is sent again to a busy server.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// Time limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For connecting, and for the response to one command.
    pub(crate) response: Duration,
    /// For a command, including all attempts.
    pub(crate) patience: Duration,
}

/// The shared connection to Redis. Clones share the same connection.
///
/// It connects when it is first used. When the connection is lost, a task tries to reconnect until it
/// succeeds or the link is dropped. Commands wait for the connection up to their time limit. If Redis has
/// been unavailable for longer than that, they fail immediately.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    source: Source,
    /// A key with the prefix, to find its node in a Cluster.
    key: String,
    limits: Limits,
    state: watch::Sender<State>,
    next_id: AtomicU64,
}

#[derive(Clone)]
enum State {
    /// Not connected, and no connection was requested.
    Idle,
    /// A task is connecting.
    Away {
        since: Instant,
        reason: Option<Arc<str>>,
    },
    Open(Open),
}

/// An open connection.
#[derive(Clone)]
pub(crate) struct Open {
    id: u64,
    connection: MultiplexedConnection,
    /// The server.
    pub(crate) server: Arc<ConnectionInfo>,
}

/// A request to Redis.
pub(crate) enum Request<'a> {
    Command(Cmd),
    Script(ScriptInvocation<'a>),
}

/// A response of Redis.
pub(crate) struct Response {
    pub(crate) value: Value,
    /// Whether an earlier attempt may have taken effect.
    pub(crate) is_repeated: bool,
}

impl Link {
    pub(crate) fn new(source: Source, key: String, limits: Limits) -> Self {
        let state = watch::Sender::new(State::Idle);
        Self(Arc::new(Inner { source, key, limits, state, next_id: AtomicU64::new(0) }))
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Sends a request. If the response is lost, the request is sent again, so it must be idempotent.
    pub(crate) async fn run(&self, request: &Request<'_>) -> Result<Response, Error> {
        let Limits { response, patience } = self.0.limits;
        let deadline = Instant::now() + patience;
        let mut is_repeated = false;
        loop {
            let Open { id, mut connection, .. } = self.open(deadline).await?;
            // The connection has the same limit; this one includes loading a script.
            let limit = deadline.min(Instant::now() + response);
            let sent = timeout_at(limit, async {
                match request {
                    Request::Command(command) => command.query_async::<Value>(&mut connection).await,
                    Request::Script(script) => script.invoke_async::<Value>(&mut connection).await,
                }
            });
            let error = match sent.await {
                Ok(Ok(value)) => return Ok(Response { value, is_repeated }),
                Ok(Err(error)) => error,
                Err(_) => RedisError::from((RedisErrorKind::Io, "no response in time")),
            };
            match Fault::of(&error) {
                Fault::Refused => return Err(ErrorKind::Refused(error).into()),
                Fault::Busy => sleep(BUSY_PAUSE).await,
                Fault::Lost => {
                    is_repeated = true;
                    self.lose(id, &error);
                }
                Fault::Elsewhere => self.lose(id, &error),
            }
            if Instant::now() >= deadline {
                return Err(Error::away(Some(error.to_string().into())));
            }
        }
    }

    /// Waits for a connection until the deadline. Fails immediately if Redis has been unavailable for longer
    /// than the time limit of a command.
    async fn open(&self, deadline: Instant) -> Result<Open, Error> {
        let mut states = self.0.state.subscribe();
        loop {
            let reason = match &*states.borrow_and_update() {
                State::Open(open) => return Ok(open.clone()),
                State::Idle => None,
                State::Away { since, reason } => {
                    if reason.is_some() && since.elapsed() >= self.0.limits.patience {
                        return Err(Error::away(reason.clone()));
                    }
                    reason.clone()
                }
            };
            self.connect()?;
            match timeout_at(deadline, states.changed()).await {
                Ok(Ok(())) => {}
                // The sender lives as long as the link.
                Ok(Err(_)) | Err(_) => return Err(Error::away(reason)),
            }
        }
    }

    /// Waits for a connection, without a time limit.
    pub(crate) async fn opened(&self) -> Result<Open, Error> {
        let mut states = self.0.state.subscribe();
        loop {
            if let State::Open(open) = &*states.borrow_and_update() {
                return Ok(open.clone());
            }
            self.connect()?;
            // The sender lives as long as the link.
            let _ = states.changed().await;
        }
    }

    /// Waits until the connection is to another server.
    pub(crate) async fn moved(&self, server: &ConnectionInfo) {
        let is_elsewhere =
            |state: &State| matches!(state, State::Open(open) if open.server.addr() != server.addr());
        let mut states = self.0.state.subscribe();
        // The sender lives as long as the link.
        let _ = states.wait_for(is_elsewhere).await;
    }

    /// Marks a connection as lost, and starts to reconnect.
    fn lose(&self, id: u64, error: &RedisError) {
        let was_open = self.0.state.send_if_modified(|state| {
            let is_it = matches!(state, State::Open(open) if open.id == id);
            if is_it {
                *state = State::Idle;
            }
            is_it
        });
        if was_open {
            tracing::warn!(%error, "the connection to Redis was lost");
            // Outside of a runtime no task can be spawned, and the next request returns this error.
            let _ = self.connect();
        }
    }

    /// Starts a task that connects, unless there is a connection or such a task.
    fn connect(&self) -> Result<(), Error> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| ErrorKind::Setting("Redis can be used within a Tokio runtime only"))?;
        let is_first = self.0.state.send_if_modified(|state| {
            let is_idle = matches!(state, State::Idle);
            if is_idle {
                *state = State::Away { since: Instant::now(), reason: None };
            }
            is_idle
        });
        if is_first {
            let attempt = Attempt(Arc::downgrade(&self.0));
            runtime.spawn(attempt.connect());
        }
        Ok(())
    }
}

/// The task that connects.
struct Attempt(Weak<Inner>);

impl Attempt {
    async fn connect(self) {
        let (mut pause, last) = PAUSES;
        loop {
            let Some(inner) = self.0.upgrade() else { return };
            match server::find(&inner.source, &inner.key, inner.limits.response).await {
                Ok(server) => return inner.opened(server),
                Err(error) => inner.failed(&error),
            }
            drop(inner);
            sleep(pause).await;
            pause = (2 * pause).min(last);
        }
    }
}

/// If the task ends because its runtime was shut down, another one can start.
impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.state.send_if_modified(|state| {
                let is_away = matches!(state, State::Away { .. });
                if is_away {
                    *state = State::Idle;
                }
                is_away
            });
        }
    }
}

impl Inner {
    fn opened(&self, Server { connection, info }: Server) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let open = Open { id, connection, server: Arc::new(info) };
        let before = self.state.send_replace(State::Open(open));
        if let State::Away { since, reason: Some(_) } = before {
            tracing::info!(after = ?since.elapsed(), "Redis is back");
        }
    }

    fn failed(&self, error: &str) {
        self.state.send_modify(|state| {
            if let State::Away { reason, .. } = state {
                if reason.as_deref() != Some(error) {
                    tracing::warn!(error, "Redis is not reachable; trying again");
                }
                *reason = Some(error.into());
            }
        });
    }
}

/// What an error means for the command and the connection.
enum Fault {
    /// The command may have taken effect, and the connection is lost.
    Lost,
    /// The command has had no effect, and must be sent to another server.
    Elsewhere,
    /// The command has had no effect, and can soon be sent again.
    Busy,
    /// The server has refused the command.
    Refused,
}

impl Fault {
    fn of(error: &RedisError) -> Self {
        match error.kind() {
            RedisErrorKind::Io | RedisErrorKind::Parse => Self::Lost,
            RedisErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ReadOnly) => Self::Elsewhere,
            RedisErrorKind::Server(
                ServerErrorKind::Ask
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain,
            ) => Self::Busy,
            _ if error.code() == Some("BUSY") => Self::Busy,
            _ => Self::Refused,
        }
    }
}
