//! The subscribers of this process, by topic.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mcp_stateless::changes::BusSender;
use tokio::sync::Notify;

/// The maximum number of remembered changed topics. Beyond it, all topics are compared.
const MOST_STALE: usize = 1024;

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
    stale: Stale,
}

/// The topics that may differ from what the connection has subscribed to.
#[derive(Default)]
enum Stale {
    /// Any of them, because the connection is new, or there is none.
    #[default]
    Any,
    Some(HashSet<Box<str>>),
}

impl Stale {
    fn add(&mut self, topic: &str) {
        match self {
            Self::Some(topics) if topics.len() < MOST_STALE => {
                topics.insert(topic.into());
            }
            stale => *stale = Self::Any,
        }
    }
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
    pub(super) fn add(&self, name: &str, sender: BusSender) -> u64 {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        let topic = inner.by_name.entry(name.into()).or_default();
        if topic.is_connected {
            sender.connected();
        }
        let is_first = topic.senders.is_empty();
        topic.senders.push((id, sender));
        if is_first {
            inner.stale.add(name);
            drop(inner);
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
            inner.stale.add(topic);
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
        let mut inner = self.lock();
        inner.stale = Stale::Any;
        for topic in inner.by_name.values_mut() {
            topic.is_connected = false;
        }
    }

    /// Compares the topics that have subscribers with those that a connection has: only those that have
    /// changed since the last time, because there may be thousands.
    pub(super) fn compare(&self, subscribed: &HashSet<Box<str>>) -> Difference {
        let mut inner = self.lock();
        match std::mem::replace(&mut inner.stale, Stale::Some(HashSet::new())) {
            Stale::Any => {
                let missing = inner.by_name.keys().filter(|topic| !subscribed.contains(*topic));
                let surplus = subscribed.iter().filter(|topic| !inner.by_name.contains_key(*topic));
                Difference { missing: missing.cloned().collect(), surplus: surplus.cloned().collect() }
            }
            Stale::Some(topics) => {
                let is_wanted = |topic: &str| inner.by_name.contains_key(topic);
                let changed =
                    topics.into_iter().filter(|topic| is_wanted(topic) != subscribed.contains(topic));
                let (missing, surplus) = changed.partition(|topic| is_wanted(topic));
                Difference { missing, surplus }
            }
        }
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use mcp_stateless::changes::Subscription;

    use super::{Difference, MOST_STALE, Topics};

    /// A connection that follows every difference.
    #[derive(Default)]
    struct Connection(HashSet<Box<str>>);

    impl Connection {
        fn follow(&mut self, topics: &Topics) -> (usize, usize) {
            let Difference { missing, surplus } = topics.compare(&self.0);
            let count = (missing.len(), surplus.len());
            for topic in surplus {
                assert!(self.0.remove(&topic));
            }
            for topic in missing {
                assert!(self.0.insert(topic));
            }
            count
        }
    }

    #[test]
    fn a_connection_is_told_once_of_each_topic_that_comes_or_goes() {
        let (topics, mut connection) = (Topics::default(), Connection::default());
        let add = |topic: &str| topics.add(topic, Subscription::new().0);
        let (first, _) = (add("a"), add("b"));
        assert_eq!(connection.follow(&topics), (2, 0));
        assert_eq!(connection.follow(&topics), (0, 0));
        // One that comes and goes in between, one that goes and comes, and a second subscriber.
        let between = add("c");
        topics.remove("c", between);
        topics.remove("a", first);
        let (second, third) = (add("a"), add("a"));
        assert_eq!(connection.follow(&topics), (0, 0));
        topics.remove("a", second);
        assert_eq!(connection.follow(&topics), (0, 0));
        topics.remove("a", third);
        assert_eq!(connection.follow(&topics), (0, 1));
    }

    #[test]
    fn a_new_connection_and_one_that_has_fallen_behind_are_told_of_all_topics() {
        let (topics, mut connection) = (Topics::default(), Connection::default());
        let add = |topic: &str| topics.add(topic, Subscription::new().0);
        let first = add("first");
        assert_eq!(connection.follow(&topics), (1, 0));
        for topic in 0..=MOST_STALE {
            add(&topic.to_string());
        }
        topics.remove("first", first);
        assert_eq!(connection.follow(&topics), (MOST_STALE + 1, 1));
        topics.disconnected();
        assert_eq!(Connection::default().follow(&topics), (MOST_STALE + 1, 0));
    }
}
