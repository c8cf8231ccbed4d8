//! What carries news between replicas.

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

/// Carries messages to everyone who listens to a topic, on every replica of a server.
///
/// In one process there is the [`LocalBus`](crate::changes::LocalBus). Replicas share one over
/// Redis, NATS or the like: a topic is a channel there, a message a payload. Messages are
/// opaque; they may hold answers of users, so the channel is to be as private as the
/// requests themselves. Nothing breaks when one is lost, but somebody waits in vain.
pub trait ChangeBus: Send + Sync + 'static {
    /// Sends a message to everyone who listens to `topic`, without waiting: what takes
    /// time belongs in a task.
    fn publish(&self, topic: &str, message: Bytes) -> Reach;

    /// Listens to `topic` from now on: makes a [`Subscription`], and puts what comes into
    /// its sender until that is [closed](BusSender::is_closed).
    fn subscribe(&self, topic: &str) -> Subscription;
}

/// Whom a message reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody listens to the topic, on any replica.
    Nobody,
    /// Somebody may.
    Perhaps,
}

/// How many messages wait for a listener that is slow.
const CAPACITY: usize = 64;

/// What is published on a topic, as it comes. Dropping it ends the listening.
pub struct Subscription {
    receiver: mpsc::Receiver<Bytes>,
    missed: Arc<AtomicBool>,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
    /// All of them have a say in who hears of a change.
    permissions: Vec<Permission>,
}

/// Where a bus puts the messages of a [`Subscription`].
#[derive(Clone, Debug)]
pub struct BusSender {
    sender: mpsc::Sender<Bytes>,
    missed: Arc<AtomicBool>,
}

/// What a subscription has to tell.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    Message(Bytes),
    /// Some messages are lost, for they came faster than they were taken.
    Missed,
}

impl Subscription {
    /// A subscription, and where to put its messages. Of a listener that does not keep
    /// up, 64 messages are kept; it is told that others are lost.
    pub fn new() -> (BusSender, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let missed = Arc::new(AtomicBool::new(false));
        let sender = BusSender { sender, missed: Arc::clone(&missed) };
        (sender, Self { receiver, missed, on_drop: None, permissions: Vec::new() })
    }

    /// Runs `end` when nobody listens any more.
    #[must_use]
    pub fn on_drop(mut self, end: impl FnOnce() + Send + 'static) -> Self {
        self.on_drop = Some(Box::new(end));
        self
    }

    /// The same subscription, whose listener hears only what each of `permissions` allows.
    pub(super) fn restricted(mut self, permissions: &[Permission]) -> Self {
        self.permissions.extend_from_slice(permissions);
        self
    }

    /// Tells the listener that messages are lost which it never got.
    pub(super) fn miss(&self) {
        self.missed.store(true, Ordering::Release);
    }

    /// Whether a caller may hear of a change now. A panic in a permission allows nothing.
    pub(crate) fn may_hear(&self, change: Change<'_>, head: &Parts) -> bool {
        self.permissions.iter().all(|permission| guarded(|| permission(change, head)).unwrap_or(false))
    }

    /// The next message; `None` when the bus has given up.
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
    /// Puts a message in, or notes that it is lost for want of room.
    pub fn send(&self, message: Bytes) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(message) {
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until nobody listens any more.
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
