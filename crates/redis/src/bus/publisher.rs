//! The task that publishes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::FromRedisValue;
use tokio::sync::mpsc;

use super::frame::{Frame, Origin};
use crate::error::{Error, ErrorKind};
use crate::link::{Link, Request};

/// The maximum number of messages, and of their bytes, that may wait to be published.
const MOST_MESSAGES: usize = 1024;
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// How many messages are sent without waiting for the response to the first.
const AT_ONCE: usize = 64;
/// The maximum number of topics with lost messages that are stored. If there are more, all subscribers are
/// notified.
const MOST_LOST: usize = 1024;

/// Publishes over the link.
#[derive(Clone)]
pub(super) struct Channels {
    pub(super) link: Link,
    /// The prefix of the names of channels. The prefix itself is the channel of all replicas.
    pub(super) prefix: Arc<str>,
    pub(super) origin: Origin,
}

impl Channels {
    /// Publishes a message. Returns whether it has reached a subscriber.
    pub(super) async fn publish(&self, topic: &str, frame: &[u8]) -> Result<Reached, Error> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(self.channel(topic)).arg(frame);
        let response = self.link.run(&Request::Command(command)).await?;
        let subscribers = u64::from_redis_value(response.value).map_err(|_| ErrorKind::Nonsense)?;
        Ok(if subscribers > 0 || response.is_repeated { Reached::Perhaps } else { Reached::Nobody })
    }

    pub(super) fn channel(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// Returns the topic of a channel.
    pub(super) fn topic<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(&*self.prefix)
    }
}

/// Whether a message has reached a subscriber.
pub(super) enum Reached {
    Perhaps,
    Nobody,
}

/// Messages that wait to be published.
pub(super) struct Outbox {
    sender: mpsc::Sender<Waiting>,
    room: Arc<Room>,
}

/// The room in an outbox.
#[derive(Default)]
struct Room {
    bytes: AtomicUsize,
    /// Set when messages were lost because there was no room.
    is_exceeded: AtomicBool,
}

/// A message that waits to be published.
struct Waiting {
    topic: Box<str>,
    frame: Bytes,
    room: Arc<Room>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.room.bytes.fetch_sub(self.frame.len(), Ordering::Relaxed);
    }
}

impl Outbox {
    /// Creates an outbox, and the future of the task that publishes its messages. The task ends when the
    /// outbox is dropped.
    pub(super) fn new(channels: Channels) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(MOST_MESSAGES);
        let room = Arc::<Room>::default();
        (Self { sender, room: Arc::clone(&room) }, publish(channels, receiver, room))
    }

    /// Adds a message. If there is no room, the message is dropped, and all replicas are notified later that
    /// messages were lost.
    pub(super) fn add(&self, topic: &str, frame: Bytes) {
        let length = frame.len();
        let before = self.room.bytes.fetch_add(length, Ordering::Relaxed);
        let waiting = Waiting { topic: topic.into(), frame, room: Arc::clone(&self.room) };
        if before.saturating_add(length) > MOST_BYTES || self.sender.try_send(waiting).is_err() {
            self.room.is_exceeded.store(true, Ordering::Release);
        }
    }

    /// Returns whether the task has ended, because its runtime was shut down.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

async fn publish(channels: Channels, mut outbox: mpsc::Receiver<Waiting>, room: Arc<Room>) {
    let mut lost = Lost::default();
    let mut batch = Vec::with_capacity(AT_ONCE);
    loop {
        tokio::select! {
            count = outbox.recv_many(&mut batch, AT_ONCE) => {
                if count == 0 {
                    return;
                }
            }
            open = channels.link.opened(), if !lost.is_empty() => {
                if open.is_err() {
                    return;
                }
                lost.tell(&channels).await;
            }
        }
        let sent = batch.iter().map(|Waiting { topic, frame, .. }| channels.publish(topic, frame));
        let sent = join_all(sent).await;
        for (waiting, sent) in batch.drain(..).zip(sent) {
            if let Err(error) = sent {
                tracing::warn!(%error, "a change could not be published; its listeners will be notified later");
                lost.add(&waiting.topic);
            }
        }
        // Messages are only dropped while others wait, so this code always runs afterwards.
        lost.all |= room.is_exceeded.swap(false, Ordering::AcqRel);
    }
}

/// Topics with lost messages. Their subscribers are notified when Redis is back.
#[derive(Default)]
struct Lost {
    topics: HashSet<Box<str>>,
    /// Set if there are too many topics to store.
    all: bool,
}

impl Lost {
    fn is_empty(&self) -> bool {
        self.topics.is_empty() && !self.all
    }

    fn add(&mut self, topic: &str) {
        if self.all || self.topics.contains(topic) {
            return;
        }
        if self.topics.len() < MOST_LOST {
            self.topics.insert(topic.into());
        } else {
            self.topics.clear();
            self.all = true;
        }
    }

    async fn tell(&mut self, channels: &Channels) {
        let missed = Frame::Missed.write(channels.origin);
        // A message that Redis refuses is not sent again.
        let is_done =
            |told: Result<Reached, Error>| told.map_or_else(|error| !error.is_temporary(), |_| true);
        if self.all && is_done(channels.publish("", &missed).await) {
            self.all = false;
        }
        let topics: Vec<_> = self.topics.iter().cloned().collect();
        for some in topics.chunks(AT_ONCE) {
            let told = join_all(some.iter().map(|topic| channels.publish(topic, &missed))).await;
            for (topic, told) in some.iter().zip(told) {
                if is_done(told) {
                    self.topics.remove(topic);
                }
            }
        }
    }
}
