//! One HTTP/1.1 connection, driven by the task that uses it.
//!
//! hyper separates a connection from its requests, so that each can have its own task. Here a
//! connection serves one request at a time, and the task that waits for the response also polls the
//! connection. A request therefore needs no extra task and no switches between tasks.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::rt::{Read, Write};

/// How many times in a row a connection is polled before it yields to other tasks.
const MOST_TURNS: usize = 32;

pub(super) type Outgoing = Full<Bytes>;

/// A connection that is polled by the task that uses it.
pub(super) struct Link<T: Read + Write> {
    sender: SendRequest<Outgoing>,
    /// `None` once it has ended. Dropping it returns a request that was not sent.
    connection: Option<Connection<T, Outgoing>>,
    gate: Arc<Gate>,
    /// The waker of the gate, which hyper wakes.
    waker: Waker,
}

impl<T: Read + Write + Unpin + 'static> Link<T> {
    /// Starts HTTP/1.1 on a stream.
    ///
    /// # Errors
    /// Returns an error if the connection breaks.
    pub(super) async fn new(stream: T) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(stream).await?;
        let gate = Arc::new(Gate::default());
        let waker = Waker::from(Arc::clone(&gate));
        let mut link = Self { sender, connection: Some(connection), gate, waker };
        poll_fn(|cx| link.poll_ready(cx)).await?;
        Ok(link)
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// # Errors
    /// Returns an error if the connection breaks. The error contains the request if none of it was sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        let mut response = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| self.drive(cx, |_, cx| response.as_mut().poll(cx))).await
    }

    /// Polls the connection, and then `part`, which depends on it.
    pub(super) fn poll<V>(
        &mut self,
        cx: &mut Context<'_>,
        mut part: impl FnMut(&mut Context<'_>) -> Poll<V>,
    ) -> Poll<V> {
        self.drive(cx, |_, cx| part(cx))
    }

    /// Whether another request can be sent now.
    pub(super) fn is_ready(&mut self) -> bool {
        let polled = self.poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(polled, Poll::Ready(Ok(())))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.drive(cx, SendRequest::poll_ready)
    }

    /// Polls the connection and then `part`, until neither has woken the other.
    fn drive<V>(
        &mut self,
        cx: &mut Context<'_>,
        mut part: impl FnMut(&mut SendRequest<Outgoing>, &mut Context<'_>) -> Poll<V>,
    ) -> Poll<V> {
        let mut inner = Context::from_waker(&self.waker);
        for _ in 0..MOST_TURNS {
            self.gate.open();
            // `part` returns the error with which the connection ends.
            self.connection.take_if(|connection| Pin::new(connection).poll(&mut inner).is_ready());
            if let Poll::Ready(value) = part(&mut self.sender, &mut inner) {
                self.gate.leave();
                return Poll::Ready(value);
            }
            if self.gate.wait(cx.waker()) {
                return Poll::Pending;
            }
        }
        self.gate.leave();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Forwards the wake-ups of a connection to the task that waits for it, or to the loop that is
/// polling it. hyper thus keeps the same waker for all tasks that use the connection, and does not
/// reschedule the task that is polling it.
#[derive(Default)]
struct Gate(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    /// The connection is not in use. It is polled before its next use.
    #[default]
    Idle,
    /// The connection is being polled.
    Polled {
        again: bool,
    },
    Waiting(Waker),
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        // No critical section panics half-way, so a poisoned stage is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) {
        *self.lock() = Stage::Polled { again: false };
    }

    fn leave(&self) {
        *self.lock() = Stage::Idle;
    }

    /// Registers a waker. Returns `false` if the connection has been woken already.
    fn wait(&self, waker: &Waker) -> bool {
        let mut stage = self.lock();
        if matches!(*stage, Stage::Polled { again: true }) {
            return false;
        }
        *stage = Stage::Waiting(waker.clone());
        true
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut stage = self.lock();
        match &mut *stage {
            Stage::Idle => {}
            Stage::Polled { again } => *again = true,
            Stage::Waiting(_) => {
                let waiting = std::mem::take(&mut *stage);
                drop(stage);
                if let Stage::Waiting(waker) = waiting {
                    waker.wake();
                }
            }
        }
    }
}
