//! A bus within one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{BusSender, ChangeBus, Reach, Subscription};

/// A [`ChangeBus`] within one process. Clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct LocalBus(Arc<Mutex<Topics>>);

#[derive(Debug, Default)]
struct Topics {
    /// Topics without subscribers are removed.
    listeners: HashMap<Box<str>, Vec<(u64, BusSender)>>,
    next: u64,
}

impl LocalBus {
    fn lock(&self) -> MutexGuard<'_, Topics> {
        // No code panics while it holds the lock, so the topics are consistent even if it is
        // poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the topic has subscribers.
    pub(crate) fn is_heard(&self, topic: &str) -> bool {
        self.lock().listeners.contains_key(topic)
    }
}

impl ChangeBus for LocalBus {
    fn publish(&self, topic: &str, message: Bytes) -> Reach {
        // Not under the lock, because a subscriber that is woken may subscribe again.
        let listeners = self.lock().listeners.get(topic).cloned();
        let Some(listeners) = listeners else { return Reach::Nobody };
        for (_, listener) in listeners {
            listener.send(message.clone());
        }
        Reach::Perhaps
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        let (sender, subscription) = Subscription::new();
        let mut topics = self.lock();
        let id = topics.next;
        topics.next += 1;
        topics.listeners.entry(topic.into()).or_default().push((id, sender));
        drop(topics);
        let (bus, topic) = (self.clone(), Box::<str>::from(topic));
        subscription.on_drop(move || {
            let mut topics = bus.lock();
            if let Some(listeners) = topics.listeners.get_mut(&topic) {
                listeners.retain(|(other, _)| *other != id);
                if listeners.is_empty() {
                    topics.listeners.remove(&topic);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;

    use super::{ChangeBus, LocalBus, Reach};
    use crate::changes::News;

    #[tokio::test]
    async fn a_message_reaches_those_who_listen_to_its_topic_and_nothing_remains_of_them() {
        let bus = LocalBus::default();
        assert_eq!(bus.publish("a", Bytes::new()), Reach::Nobody);
        let (mut first, mut second) = (bus.subscribe("a"), bus.subscribe("a"));
        let other = bus.subscribe("b");
        assert_eq!(bus.publish("a", Bytes::from_static(b"x")), Reach::Perhaps);
        for subscription in [&mut first, &mut second] {
            let next = poll_fn(|cx| subscription.poll_next(cx)).await;
            assert_eq!(next, Some(News::Message(Bytes::from_static(b"x"))));
        }
        drop((first, second, other));
        assert!(bus.lock().listeners.is_empty());
    }
}
