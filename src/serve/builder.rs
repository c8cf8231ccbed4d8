//! A server's settings.

use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use crate::manager::StatelessSessionManager;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Gives managers when the server shuts down.
pub(super) type ManagerSource = Box<dyn FnOnce() -> Vec<StatelessSessionManager> + Send>;
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A server that is set up; made by [`serve`](super::serve). Awaiting it serves, until what
/// [`shutdown_on`](Self::shutdown_on) was given ends, or for ever without it.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<L, S> {
    pub(super) listener: L,
    pub(super) service: S,
    pub(super) shutdown: BoxFuture<()>,
    pub(super) managers: Vec<ManagerSource>,
    pub(super) drain_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) limits: Limits,
}

/// What holds of each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) max_streams: u32,
}

/// How a server has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// How many connections were cut because they were still open when the
    /// [`drain_timeout`](Serve::drain_timeout) was over.
    pub cut_connections: usize,
    /// How many calls of the managers that were [drained](Serve::drain) had not come to their
    /// end by then.
    pub unfinished_calls: usize,
}

impl<L, S> Serve<L, S> {
    pub(super) fn new(listener: L, service: S) -> Self {
        Self {
            listener,
            service,
            shutdown: Box::pin(pending()),
            managers: Vec::new(),
            drain_timeout: Duration::from_secs(10),
            max_connections: default_max_connections(),
            limits: Limits {
                header_timeout: Duration::from_secs(10),
                idle_timeout: Duration::from_secs(75),
                write_timeout: Duration::from_secs(30),
                max_streams: 100,
            },
        }
    }

    /// How long a client may take from connecting to the end of its first request's head, and
    /// for the head of each later one; 10 s by default. Slower ones are cut.
    ///
    /// A later head is only looked at at this interval, so it may take up to twice as long.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.limits.header_timeout = timeout;
        self
    }

    /// How long a connection may stay open between two requests; 75 s by default. It is closed
    /// up to a [`header_timeout`](Self::header_timeout) later.
    ///
    /// Behind a proxy it should be longer than the proxy keeps its own connections idle, which
    /// is 60 s with most: if the server closes first, a request may just be on its way.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// How long a client may take next to nothing of a response while there is something to
    /// send; 30 s by default. Next to nothing is less than 4 KiB, and less than all that waits:
    /// systems take a few bytes even for a client that never reads.
    ///
    /// Then its connection is cut, or the stream reset if HTTP/2 carries others, and the call
    /// ends: this is what bounds a tool that waits for a reader. What the system buffers for a
    /// client counts as taken, so it may take up to twice as long. A client that reads slowly but
    /// does read is not cut. On a stream of HTTP/2 it must take each frame within this time, up
    /// to 16 KiB. While a tool works in silence nothing is counted.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write_timeout = timeout;
        self
    }

    /// How many connections may be open at the same time; further ones wait until the operating
    /// system accepts no more for it. 10,000 by default, or three quarters of the descriptors
    /// that the process may open if these are fewer, so that tools have some left.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// How many requests one connection of HTTP/2 may have under way; 100 by default. Behind a
    /// proxy it bounds what the proxy sends over each of its connections.
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.limits.max_streams = streams;
        self
    }

    /// Shuts the server down when `signal` ends, such as [`signals`](super::signals).
    ///
    /// It then accepts no connection, closes those on which nothing is asked, and lets the
    /// requests under way come to their end until the
    /// [`drain_timeout`](Self::drain_timeout). A second call replaces the first.
    pub fn shutdown_on(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// Shuts `manager` down with the server
    /// ([`shut_down`](StatelessSessionManager::shut_down)): streams of subscriptions end with
    /// their result at once, requests that still come get 503, and detached tools are waited
    /// for. A server with several managers calls it once for each.
    pub fn drain(self, manager: &StatelessSessionManager) -> Self {
        let manager = manager.clone();
        self.drain_with(move || [manager])
    }

    /// Shuts the managers down that `managers` returns, as [`drain`](Self::drain) does. It is
    /// called when the server shuts down, for a server that makes managers while it serves.
    pub fn drain_with<M>(mut self, managers: impl FnOnce() -> M + Send + 'static) -> Self
    where
        M: IntoIterator<Item = StatelessSessionManager>,
    {
        self.managers.push(Box::new(|| managers().into_iter().collect()));
        self
    }

    /// How long requests under way may take to end once the server shuts down; 10 s by default.
    /// What is then still open is cut. It should be shorter than what the platform allows before
    /// it kills the process: 30 s in Kubernetes, 10 s with `docker stop`.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }
}

impl<L, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Serve")
            .field("limits", &self.limits)
            .field("max_connections", &self.max_connections)
            .field("drain_timeout", &self.drain_timeout)
            .finish_non_exhaustive()
    }
}

fn default_max_connections() -> usize {
    const MOST: usize = 10_000;
    #[cfg(unix)]
    {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.and_then(|files| usize::try_from(files).ok());
        files.map_or(MOST, |files| (files / 4 * 3).clamp(1, MOST))
    }
    #[cfg(not(unix))]
    MOST
}
