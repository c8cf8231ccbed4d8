//! The bus that carries messages between replicas.

use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use tokio::sync::{mpsc, oneshot};

use super::Change;
use super::source::Permission;
use crate::registry::guarded;

/// Carries messages to all subscribers of a topic, on every replica of a server.
///
/// A single process uses the [`LocalBus`](crate::changes::LocalBus). Replicas need a shared bus, such as the
/// one over Redis of the crate `mcp-stateless-redis`. There, a topic is a channel, and a message is its
/// payload. Messages are opaque. They may contain answers of users, so the channel must be as private as the
/// requests. If a message is lost, a call may wait until its timeout, or a client may miss a change.
///
/// A bus whose connection can be lost creates its subscriptions with [`Subscription::connecting`],
/// and calls [`BusSender::miss`] when messages may have been lost.
pub trait ChangeBus: Send + Sync + 'static {
    /// Sends a message to all subscribers of `topic`. It must not block: spawn a task for work
    /// that takes time.
    fn publish(&self, topic: &str, message: Bytes) -> Reach;

    /// Subscribes to `topic`: creates a [`Subscription`], and puts messages into its sender until
    /// that is [closed](BusSender::is_closed).
    fn subscribe(&self, topic: &str) -> Subscription;

    /// Sends a message to the only subscriber of `topic`, and returns whether it has arrived. Answers of
    /// legacy clients are sent this way. The client's request gets 202, or 400 if
    /// [no subscriber](Reach::Nobody) waits for the answer, or 503 with `Retry-After` if the bus is
    /// [unavailable](Reach::Unavailable).
    ///
    /// By default this calls [`publish`](Self::publish). Implement it for a bus that can confirm within a
    /// few seconds that a message has arrived.
    fn deliver<'a>(&'a self, topic: &'a str, message: Bytes) -> Delivering<'a> {
        Box::pin(ready(self.publish(topic, message)))
    }
}

/// The future of [`ChangeBus::deliver`]. If it does not complete within ten seconds, the bus counts as
/// [unavailable](Reach::Unavailable).
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Reach> + Send + 'a>>;

/// Whether a message reaches anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The topic has no subscribers, on any replica.
    Nobody,
    /// The topic may have subscribers.
    Perhaps,
    /// The bus cannot be reached. The message was not sent, and may be sent again later.
    Unavailable,
}

/// How many messages are kept for a slow subscriber.
const CAPACITY: usize = 64;

/// How long a subscriber waits for a subscription that is connecting.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The messages of a topic, as they arrive. Dropping it unsubscribes.
pub struct Subscription {
    receiver: mpsc::Receiver<News>,
    missed: Arc<AtomicBool>,
    /// Resolves when the subscription is connected. `None` from then on, or once the subscriber does
    /// not wait for it.
    connecting: Option<oneshot::Receiver<()>>,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
    /// A change is delivered only if all of them allow it.
    permissions: Vec<Permission>,
}

/// The queue into which a bus puts the messages of a [`Subscription`].
#[derive(Clone, Debug)]
pub struct BusSender {
    sender: mpsc::Sender<News>,
    missed: Arc<AtomicBool>,
    /// Present until the subscription is connected.
    connecting: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

/// An item of a subscription.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    Message(Bytes),
    /// Messages were lost, because they arrived faster than they were taken, or with a connection.
    Missed,
}

impl Subscription {
    /// Creates a subscription and the sender of its messages. Up to 64 messages are buffered for a slow
    /// subscriber, which is notified if messages were lost.
    pub fn new() -> (BusSender, Self) {
        Self::with(None, None)
    }

    /// Creates a subscription that only receives messages after its sender is
    /// [connected](BusSender::connected), for a bus that has to subscribe at a server first. Subscribers wait
    /// for the connection for up to two seconds: a stream of changes before it is acknowledged, and a call
    /// before it asks its client. Without a connection in this time, the question fails, and the stream
    /// starts anyway; when the connection is established, it is notified as if everything had changed.
    pub fn connecting() -> (BusSender, Self) {
        let (connected, connecting) = oneshot::channel();
        Self::with(Some(connected), Some(connecting))
    }

    fn with(
        connected: Option<oneshot::Sender<()>>,
        connecting: Option<oneshot::Receiver<()>>,
    ) -> (BusSender, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let missed = Arc::new(AtomicBool::new(false));
        let connected = Arc::new(Mutex::new(connected));
        let sender = BusSender { sender, missed: Arc::clone(&missed), connecting: connected };
        (sender, Self { receiver, missed, connecting, on_drop: None, permissions: Vec::new() })
    }

    /// Runs `end` when the subscription is dropped.
    #[must_use]
    pub fn on_drop(mut self, end: impl FnOnce() + Send + 'static) -> Self {
        self.on_drop = Some(Box::new(end));
        self
    }

    /// Restricts the subscription to changes that each of `permissions` allows.
    pub(super) fn restricted(mut self, permissions: &[Permission]) -> Self {
        self.permissions.extend_from_slice(permissions);
        self
    }

    /// Notes that messages were lost.
    pub(super) fn miss(&self) {
        self.missed.store(true, Ordering::Release);
    }

    /// Returns whether a caller may be notified of a change now. If a permission panics, it may not.
    pub(crate) fn may_hear(&self, change: Change<'_>, head: &Parts) -> bool {
        self.permissions.iter().all(|permission| guarded(|| permission(change, head)).unwrap_or(false))
    }

    /// Waits until the subscription is connected, or the bus has closed.
    pub(crate) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(connecting) = &mut self.connecting {
            let _connected = std::task::ready!(Pin::new(connecting).poll(cx));
            self.connecting = None;
        }
        Poll::Ready(())
    }

    /// Polls the next message; `None` when the bus has closed. From now on a connection that comes
    /// late is reported as a loss.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<News>> {
        if let Some(mut connecting) = self.connecting.take() {
            connecting.close();
            // It was connected after the last waiter had left.
            if connecting.try_recv().is_ok() {
                self.missed.store(true, Ordering::Release);
            }
        }
        let next = self.receiver.poll_recv(cx);
        // What is lost came after what was kept.
        if next.is_pending() && self.missed.swap(false, Ordering::AcqRel) {
            return Poll::Ready(Some(News::Missed));
        }
        next
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.on_drop.take() {
            end();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl BusSender {
    /// Delivers a message, or notes that it was lost because the subscriber is too slow.
    pub fn send(&self, message: Bytes) {
        self.put(News::Message(message));
    }

    /// Notes that messages may have been lost, for example because the connection to a server was lost.
    /// The client of a stream of changes is notified as if everything that it watches had changed.
    pub fn miss(&self) {
        self.put(News::Missed);
    }

    /// Notes that messages arrive from now on. If the subscriber did not wait for this, or was connected
    /// before, messages may have been lost in between, so this has the effect of [`miss`](Self::miss).
    pub fn connected(&self) {
        // No code panics while it holds the lock.
        let first = self.connecting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if first.is_none_or(|first| first.send(()).is_err()) {
            self.miss();
        }
    }

    fn put(&self, news: News) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(news) {
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Returns whether the subscription was dropped.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the subscription is dropped.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use bytes::Bytes;

    use super::{CAPACITY, News, Subscription};

    #[tokio::test]
    async fn a_listener_that_does_not_keep_up_is_told_so() {
        let (sender, mut subscription) = Subscription::new();
        for _ in 0..=CAPACITY {
            sender.send(Bytes::from_static(b"news"));
        }
        for _ in 0..CAPACITY {
            let next = poll_fn(|cx| subscription.poll_next(cx)).await;
            assert_eq!(next, Some(News::Message(Bytes::from_static(b"news"))));
        }
        assert_eq!(poll_fn(|cx| subscription.poll_next(cx)).await, Some(News::Missed));
        drop(sender);
        assert_eq!(poll_fn(|cx| subscription.poll_next(cx)).await, None);
    }

    #[tokio::test]
    async fn a_connection_that_was_waited_for_loses_nothing_and_any_later_one_may() {
        let (sender, mut waits) = Subscription::connecting();
        assert!(poll_fn(|cx| Poll::Ready(waits.poll_connected(cx))).await.is_pending());
        sender.connected();
        poll_fn(|cx| waits.poll_connected(cx)).await;
        sender.send(Bytes::from_static(b"news"));
        let next = poll_fn(|cx| waits.poll_next(cx)).await;
        assert_eq!(next, Some(News::Message(Bytes::from_static(b"news"))));
        sender.connected();
        assert_eq!(poll_fn(|cx| waits.poll_next(cx)).await, Some(News::Missed));

        let (sender, mut is_impatient) = Subscription::connecting();
        assert!(poll_fn(|cx| Poll::Ready(is_impatient.poll_next(cx))).await.is_pending());
        sender.connected();
        assert_eq!(poll_fn(|cx| is_impatient.poll_next(cx)).await, Some(News::Missed));
        drop(sender);
        assert_eq!(poll_fn(|cx| is_impatient.poll_next(cx)).await, None);
    }
}
