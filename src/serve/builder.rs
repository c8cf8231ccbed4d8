//! The settings of a server.

use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use crate::manager::StatelessSessionManager;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Returns the managers to shut down with the server.
pub(super) type ManagerSource = Box<dyn FnOnce() -> Vec<StatelessSessionManager> + Send>;
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A configured server; created by [`serve`](super::serve). Await it to serve until the future of
/// [`shutdown_on`](Self::shutdown_on) completes, or forever without one.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<L, S> {
    pub(super) listener: L,
    pub(super) service: S,
    pub(super) shutdown: BoxFuture<()>,
    pub(super) managers: Vec<ManagerSource>,
    pub(super) announce_for: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) limits: Limits,
}

/// The limits of each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) max_streams: u32,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// How many connections were cut because they were still open after the
    /// [`drain_timeout`](Serve::drain_timeout).
    pub cut_connections: usize,
    /// How many calls of the [drained](Serve::drain) managers had not finished by then.
    pub unfinished_calls: usize,
}

impl<L, S> Serve<L, S> {
    pub(super) fn new(listener: L, service: S) -> Self {
        Self {
            listener,
            service,
            shutdown: Box::pin(pending()),
            managers: Vec::new(),
            announce_for: Duration::ZERO,
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

    /// Sets how long a client may take from connecting to the end of its first request's head,
    /// and for the head of each later request; 10 s by default. Slower connections are cut.
    ///
    /// Later heads are checked at this interval, so they may take up to twice as long.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.limits.header_timeout = timeout;
        self
    }

    /// Sets how long a connection may stay open between two requests; 75 s by default. It is
    /// closed up to a [`header_timeout`](Self::header_timeout) later.
    ///
    /// Behind a proxy, make it longer than the proxy's own idle timeout, which is 60 s in most:
    /// if the server closes first, a request may already be in transit.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// Sets how long a client may read almost nothing of a response while there is something to
    /// send; 30 s by default. Almost nothing is less than 4 KiB and less than all that waits:
    /// operating systems take a few bytes even for a client that never reads.
    ///
    /// After that the connection is cut, or the stream reset if it is one of several of HTTP/2,
    /// and the call ends: this bounds tools that wait for a reader. Bytes that the system buffers
    /// count as read, so it may take up to twice as long. A client that reads slowly is not cut.
    /// On a stream of HTTP/2 it must take each frame, of up to 16 KiB, within this time. Time in
    /// which the tool sends nothing does not count.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write_timeout = timeout;
        self
    }

    /// Sets how many connections may be open at the same time; 10,000 by default, or three
    /// quarters of the descriptors that the process may open if these are fewer, so that tools
    /// have some left. Further connections wait in the operating system's queue.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets how many requests one connection of HTTP/2 may have in flight; 100 by default.
    /// Behind a proxy it bounds what the proxy sends over each of its connections.
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.limits.max_streams = streams;
        self
    }

    /// Shuts the server down when `signal` completes, such as [`signals`](super::signals).
    ///
    /// The server then accepts no connections, closes idle ones, and lets requests in flight
    /// finish until the [`drain_timeout`](Self::drain_timeout). A second call replaces the first.
    pub fn shutdown_on(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// Shuts `manager` down with the server
    /// ([`shut_down`](StatelessSessionManager::shut_down)): subscriptions end immediately with
    /// their result, new requests get 503, and the server waits for detached tools. Call this
    /// once for each manager.
    pub fn drain(self, manager: &StatelessSessionManager) -> Self {
        let manager = manager.clone();
        self.drain_with(move || [manager])
    }

    /// Shuts down the managers that `managers` returns, as [`drain`](Self::drain) does. The
    /// function is called when the signal arrives, before the time of
    /// [`announce_for`](Self::announce_for). Use this for servers that create managers while they serve.
    pub fn drain_with<M>(mut self, managers: impl FnOnce() -> M + Send + 'static) -> Self
    where
        M: IntoIterator<Item = StatelessSessionManager>,
    {
        self.managers.push(Box::new(|| managers().into_iter().collect()));
        self
    }

    /// Sets how long the server continues to accept connections and to serve requests after the signal to
    /// shut down, while the [`readiness`](StatelessSessionManager::readiness) of its
    /// [drained](Self::drain) managers returns 503. By default, it stops immediately.
    ///
    /// A load balancer that checks the readiness needs some time to notice, and sends requests until then.
    /// Choose a time that is longer than the interval of its checks times the number of failures that it
    /// tolerates: 5 to 10 s in Kubernetes, where this replaces a `preStop` hook that sleeps. The platform must
    /// wait for this time and the [`drain_timeout`](Self::drain_timeout) before it kills the process.
    pub fn announce_for(mut self, time: Duration) -> Self {
        self.announce_for = time;
        self
    }

    /// Sets how long requests in flight may take to finish once the server shuts down; 10 s by
    /// default. Connections that are still open then are cut. Make it shorter than the time
    /// after which the platform kills the process: 30 s in Kubernetes, 10 s with `docker stop`.
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
            .field("announce_for", &self.announce_for)
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
