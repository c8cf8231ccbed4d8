//! The connection for commands, which is made anew whenever it is lost.

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

/// How long to wait before the second attempt to connect, and at most between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long to wait before a command is sent again to a server that is busy.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait for Redis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For one connection, and for the response to one command.
    pub(crate) response: Duration,
    /// For a command in all, with all its tries.
    pub(crate) patience: Duration,
}

/// One connection to Redis that all share. Clones are the same link.
///
/// It connects when it is first used. When the connection is lost, a task connects anew until it
/// succeeds or the link is dropped. Commands that come meanwhile wait for it, up to their limit; once
/// Redis has been away for longer than that, they fail at once.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    source: Source,
    /// A key of the prefix, to find the node of a cluster that has it.
    key: String,
    limits: Limits,
    state: watch::Sender<State>,
    next_id: AtomicU64,
}

#[derive(Clone)]
enum State {
    /// Not connected, and nobody has asked for a connection.
    Idle,
    /// A task connects.
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
    /// The server that it leads to.
    pub(crate) server: Arc<ConnectionInfo>,
}

/// What to send.
pub(crate) enum Request<'a> {
    Command(Cmd),
    Script(ScriptInvocation<'a>),
}

/// What came back.
pub(crate) struct Response {
    pub(crate) value: Value,
    /// Whether an earlier try may have done the same already.
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

    /// Sends a request, which must have the same effect when it is sent twice: it is sent again if
    /// its response is lost.
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

    /// Waits for a connection until the deadline, but not if Redis has been away for long.
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

    /// Waits for a connection, however long it takes.
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

    /// Waits until the link leads to another server.
    pub(crate) async fn moved(&self, server: &ConnectionInfo) {
        let is_elsewhere =
            |state: &State| matches!(state, State::Open(open) if open.server.addr() != server.addr());
        let mut states = self.0.state.subscribe();
        // The sender lives as long as the link.
        let _ = states.wait_for(is_elsewhere).await;
    }

    /// Notes that a connection was lost, and starts to connect anew.
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
            // Where no task can be spawned, the next request says so.
            let _ = self.connect();
        }
    }

    /// Starts a task that connects, unless there is one or a connection.
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

/// If the task ends with its runtime, another one can start.
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

/// What an error says about the connection.
enum Fault {
    /// The command may have been done, and the connection is of no use any more.
    Lost,
    /// The command was not done, and another server must be found for it.
    Elsewhere,
    /// The command was not done, and may be sent again soon.
    Busy,
    /// The command will not be done.
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
