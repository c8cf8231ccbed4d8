//! The bus that carries messages between replicas.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use tokio::sync::mpsc;

use super::Change;
use super::source::Permission;
use crate::registry::guarded;

/// Carries messages to all subscribers of a topic, on every replica of a server.
///
/// A single process uses the [`LocalBus`](crate::changes::LocalBus). Replicas share a bus over
/// Redis, NATS or the like, where a topic is a channel and a message its payload. Messages are
/// opaque. They may hold answers of users, so the channel must be as private as the requests. A
/// lost message breaks nothing, but a call may wait until its timeout, and a client may miss a
/// change.
pub trait ChangeBus: Send + Sync + 'static {
    /// Sends a message to all subscribers of `topic`. It must not block: spawn a task for work
    /// that takes time.
    fn publish(&self, topic: &str, message: Bytes) -> Reach;

    /// Subscribes to `topic`: creates a [`Subscription`], and puts messages into its sender until
    /// that is [closed](BusSender::is_closed).
    fn subscribe(&self, topic: &str) -> Subscription;
}

/// Whether a message reaches anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The topic has no subscribers, on any replica.
    Nobody,
    /// The topic may have subscribers.
    Perhaps,
}

/// How many messages are kept for a slow subscriber.
const CAPACITY: usize = 64;

/// The messages of a topic, as they arrive. Dropping it unsubscribes.
pub struct Subscription {
    receiver: mpsc::Receiver<Bytes>,
    missed: Arc<AtomicBool>,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
    /// A change is delivered only if all of them allow it.
    permissions: Vec<Permission>,
}

/// The queue into which a bus puts the messages of a [`Subscription`].
#[derive(Clone, Debug)]
pub struct BusSender {
    sender: mpsc::Sender<Bytes>,
    missed: Arc<AtomicBool>,
}

/// An item of a subscription.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    Message(Bytes),
    /// Messages were lost because they arrived faster than they were taken.
    Missed,
}

impl Subscription {
    /// Creates a subscription and the sender of its messages. Up to 64 messages are kept for a
    /// slow subscriber, which is told when more were lost.
    pub fn new() -> (BusSender, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let missed = Arc::new(AtomicBool::new(false));
        let sender = BusSender { sender, missed: Arc::clone(&missed) };
        (sender, Self { receiver, missed, on_drop: None, permissions: Vec::new() })
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

    /// Whether a caller may hear of a change now. A panic in a permission allows nothing.
    pub(crate) fn may_hear(&self, change: Change<'_>, head: &Parts) -> bool {
        self.permissions.iter().all(|permission| guarded(|| permission(change, head)).unwrap_or(false))
    }

    /// Polls the next message; `None` when the bus has closed.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<News>> {
        let next = self.receiver.poll_recv(cx);
        // What is lost came after what was kept.
        if next.is_pending() && self.missed.swap(false, Ordering::AcqRel) {
            return Poll::Ready(Some(News::Missed));
        }
        next.map(|message| message.map(News::Message))
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
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(message) {
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
}
