//! The subscribers of this process, by topic.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mcp_stateless::changes::BusSender;
use tokio::sync::Notify;

/// The subscribers of this process. Topics without subscribers are removed.
#[derive(Default)]
pub(super) struct Topics {
    inner: Mutex<Inner>,
    /// Notified when the set of topics has changed.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct Inner {
    by_name: HashMap<Box<str>, Topic>,
    next: u64,
}

#[derive(Default)]
struct Topic {
    senders: Vec<(u64, BusSender)>,
    /// Whether Redis has confirmed the subscription on the current connection.
    is_connected: bool,
}

/// The topics that a connection has to subscribe to, and to unsubscribe from.
#[derive(Default)]
pub(super) struct Difference {
    pub(super) missing: Vec<Box<str>>,
    pub(super) surplus: Vec<Box<str>>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }
}

impl Topics {
    /// Adds a subscriber. Returns its number, which is unique in the process.
    pub(super) fn add(&self, topic: &str, sender: BusSender) -> u64 {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        let topic = inner.by_name.entry(topic.into()).or_default();
        if topic.is_connected {
            sender.connected();
        }
        let is_first = topic.senders.is_empty();
        topic.senders.push((id, sender));
        drop(inner);
        if is_first {
            self.changed.notify_one();
        }
        id
    }

    pub(super) fn remove(&self, topic: &str, id: u64) {
        let mut inner = self.lock();
        let Some(entry) = inner.by_name.get_mut(topic) else { return };
        entry.senders.retain(|(other, _)| *other != id);
        if entry.senders.is_empty() {
            inner.by_name.remove(topic);
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// Sends a message to the subscribers of a topic. Returns whether there are any.
    pub(super) fn send(&self, topic: &str, message: &Bytes) -> bool {
        // Sent without holding the lock, because a subscriber that is woken may subscribe again.
        let senders = self.senders_of(topic);
        for sender in &senders {
            sender.send(message.clone());
        }
        !senders.is_empty()
    }

    /// Tells the subscribers of a topic, or of all topics, that messages may have been lost.
    pub(super) fn miss(&self, topic: Option<&str>) {
        let senders = match topic {
            Some(topic) => self.senders_of(topic),
            None => self.lock().by_name.values().flat_map(Topic::senders).collect(),
        };
        for sender in senders {
            sender.miss();
        }
    }

    /// Notes that Redis has confirmed the subscription to a topic.
    pub(super) fn connected(&self, topic: &str) {
        let mut inner = self.lock();
        let Some(entry) = inner.by_name.get_mut(topic) else { return };
        entry.is_connected = true;
        let senders: Vec<_> = entry.senders().collect();
        drop(inner);
        for sender in senders {
            sender.connected();
        }
    }

    /// Notes that the connection was lost.
    pub(super) fn disconnected(&self) {
        for topic in self.lock().by_name.values_mut() {
            topic.is_connected = false;
        }
    }

    /// Compares the topics that have subscribers with those that a connection has.
    pub(super) fn compare(&self, subscribed: &HashSet<Box<str>>) -> Difference {
        let inner = self.lock();
        let missing = inner.by_name.keys().filter(|topic| !subscribed.contains(*topic));
        let surplus = subscribed.iter().filter(|topic| !inner.by_name.contains_key(*topic));
        Difference { missing: missing.cloned().collect(), surplus: surplus.cloned().collect() }
    }

    fn senders_of(&self, topic: &str) -> Vec<BusSender> {
        self.lock().by_name.get(topic).map(|topic| topic.senders().collect()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock, so the topics are consistent even if it is
        // poisoned.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topic {
    fn senders(&self) -> impl Iterator<Item = BusSender> {
        self.senders.iter().map(|(_, sender)| sender.clone())
    }
}
