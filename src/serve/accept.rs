//! The loop that accepts connections, and its end.

use std::collections::HashMap;
use std::future::{IntoFuture, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};

use super::activity::Activity;
use super::builder::{BoxError, BoxFuture, Ended, Limits, Serve};
use super::connection;
use super::io::GuardedIo;
use super::listener::{Listener, Socket};
use super::service::CountedService;
use super::stream::StreamExecutor;
use crate::deadline::Deadline;
use crate::manager::StatelessSessionManager;

/// How long to wait when no connection can be accepted, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How many bytes of a request HTTP/1.1 buffers, and of the responses HTTP/2 does for each
/// stream.
const BUFFER: usize = 64 * 1024;

impl<L, S, B> IntoFuture for Serve<L, S>
where
    L: Listener,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S: tower_service::Service<Request<Incoming>, Future: Send, Error: Into<BoxError>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Ended;
    type IntoFuture = BoxFuture<Ended>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self))
    }
}

async fn run<L, S, B>(serve: Serve<L, S>) -> Ended
where
    L: Listener,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S: tower_service::Service<Request<Incoming>, Future: Send, Error: Into<BoxError>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let Serve { listener, service, shutdown, managers, announce_for, drain_timeout, max_connections, limits } =
        serve;
    let connections = Connections { tasks: JoinSet::new(), ends: HashMap::new(), limits, service };
    let doorway = Doorway { listener, pause: None, waiting: None };
    let mut server = Server { connections, doorway, max_connections };
    server.serve_until(shutdown).await;
    let managers: Vec<_> = managers.into_iter().flat_map(|managers| managers()).collect();
    if !announce_for.is_zero() {
        for manager in &managers {
            manager.announce_shut_down();
        }
        let mut announced = Deadline::new(announce_for);
        server.serve_until(poll_fn(|cx| announced.poll(cx))).await;
    }
    // From here on the operating system refuses new connections.
    drop(server.doorway);
    server.connections.drain(managers, drain_timeout).await
}

/// A server that accepts connections.
struct Server<L, S> {
    connections: Connections<S>,
    doorway: Doorway<L>,
    max_connections: usize,
}

impl<L, S, B> Server<L, S>
where
    L: Listener,
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S: tower_service::Service<Request<Incoming>, Future: Send, Error: Into<BoxError>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    async fn serve_until(&mut self, end: impl Future<Output = ()>) {
        let Self { connections, doorway, max_connections } = self;
        let mut end = pin!(end);
        poll_fn(|cx| {
            loop {
                if end.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                // Wakes the loop when the next connection ends.
                let _ = connections.poll_reap(cx);
                if connections.tasks.len() >= *max_connections {
                    return Poll::Pending;
                }
                let socket = ready!(doorway.poll_accept(cx));
                connections.serve(socket);
            }
        })
        .await;
    }
}

/// A listener that recovers from errors.
struct Doorway<L> {
    listener: L,
    /// The wait after the latest errors, since it last accepted a connection.
    pause: Option<Duration>,
    waiting: Option<Deadline>,
}

impl<L: Listener> Doorway<L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<L::Socket> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.poll(cx));
                self.waiting = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok(socket) => {
                    self.pause = None;
                    return Poll::Ready(socket);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: a connection must end before another can start.
                    let (first, last) = PAUSES;
                    let pause = self.pause.map_or(first, |pause| (2 * pause).min(last));
                    tracing::warn!(%error, ?pause, "cannot accept connections; trying again");
                    self.pause = Some(pause);
                    self.waiting = Some(Deadline::new(pause));
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The open connections.
struct Connections<S> {
    tasks: JoinSet<()>,
    /// Dropping a sender tells its connection to end.
    ends: HashMap<Id, oneshot::Sender<()>>,
    limits: Limits,
    service: S,
}

impl<S, B> Connections<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S: tower_service::Service<Request<Incoming>, Future: Send, Error: Into<BoxError>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn serve(&mut self, socket: impl Socket) {
        let Limits { header_timeout, idle_timeout, write_timeout, max_streams } = self.limits;
        let activity = Arc::<Activity>::default();
        let io = TokioIo::new(GuardedIo::new(socket, write_timeout, Arc::clone(&activity)));
        let service = TowerToHyperService::new(self.service.clone());
        let service = CountedService { service, activity: Arc::clone(&activity) };
        let mut builder = auto::Builder::new(StreamExecutor { write_timeout });
        // Its own timeout would cost each request a timer.
        builder.http1().header_read_timeout(None).max_buf_size(BUFFER);
        builder.http2().max_concurrent_streams(max_streams).max_send_buf_size(BUFFER);
        let connection = builder.serve_connection(io, service).into_owned();
        let (keep, end) = oneshot::channel();
        let served = connection::run(connection, activity, end, header_timeout, idle_timeout);
        let id = self.tasks.spawn(served).id();
        self.ends.insert(id, keep);
    }
}

impl<S> Connections<S> {
    /// Removes the connections that have ended; ready when none is open. Wakes the caller when the
    /// next one ends.
    fn poll_reap(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(ended) = ready!(self.tasks.poll_join_next_with_id(cx)) {
            let id = match ended {
                Ok((id, ())) => id,
                Err(error) => {
                    report(&error);
                    error.id()
                }
            };
            self.ends.remove(&id);
        }
        Poll::Ready(())
    }

    /// Lets requests in flight finish until the time is over, then cuts the remaining connections.
    async fn drain(mut self, managers: Vec<StatelessSessionManager>, timeout: Duration) -> Ended {
        let closing = managers.into_iter().map(|manager| async move { manager.shut_down(timeout).await });
        let closing: JoinSet<usize> = closing.collect();
        self.ends.clear();
        let mut deadline = Deadline::new(timeout);
        poll_fn(|cx| match self.poll_reap(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => deadline.poll(cx),
        })
        .await;
        let cut_connections = self.tasks.len();
        let unfinished_calls = closing.join_all().await.into_iter().sum();
        self.tasks.shutdown().await;
        if cut_connections + unfinished_calls > 0 {
            tracing::warn!(
                cut_connections,
                unfinished_calls,
                "connections or calls were cut off at the end of the drain timeout"
            );
        }
        Ended { cut_connections, unfinished_calls }
    }
}

fn report(error: &JoinError) {
    if error.is_panic() {
        tracing::error!("a connection panicked");
    }
}
