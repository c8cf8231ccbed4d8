//! The bus between replicas.

mod frame;
mod listener;
mod publisher;
mod topics;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mcp_stateless::changes::{ChangeBus, Delivering, Reach, Subscription};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use self::frame::{Frame, Origin};
use self::listener::Listener;
use self::publisher::{Channels, Outbox, Reached};
use self::topics::Topics;
use crate::link::Link;

/// How long the delivery of a message without a receiver is repeated. Its receiver may be about to
/// subscribe or to reconnect.
const SETTLING: Duration = Duration::from_secs(1);
/// The pause before the second attempt. The pause doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// A [`ChangeBus`] over the channels of Redis, created by [`Redis::bus`](crate::Redis::bus). Clones
/// share the same bus.
///
/// Subscribers in the publishing process get a message immediately and without Redis. Subscribers in other
/// replicas get it through a channel. While Redis is unavailable, up to 1,024 changes or 16 MiB wait for
/// at most the command timeout. If changes are lost, every subscriber that may have missed one is notified
/// when Redis is back.
///
/// If the answer of a legacy client arrives at a replica other than the one that asked, Redis confirms that
/// it was delivered. The answer is refused with 503 while Redis is unavailable, and with 400 if no replica
/// has received it within a second.
///
/// The bus spawns two Tokio tasks, one that publishes and one that listens. They run from its first use
/// until the last clone and the last subscription are dropped. Outside of a Tokio runtime, the bus only
/// reaches subscribers of the same process.
#[derive(Clone)]
pub struct RedisBus(Arc<Inner>);

struct Inner {
    channels: Channels,
    topics: Arc<Topics>,
    outbox: Mutex<Option<Outbox>>,
    listening: Mutex<Option<Listening>>,
}

/// The task that listens. It ends when this is dropped.
struct Listening {
    task: JoinHandle<()>,
    _open: oneshot::Sender<()>,
}

impl RedisBus {
    pub(crate) fn new(link: Link, prefix: &str, origin: Origin) -> Self {
        let channels = Channels { link, prefix: format!("{prefix}:bus:").into(), origin };
        Self(Arc::new(Inner {
            channels,
            topics: Arc::default(),
            outbox: Mutex::default(),
            listening: Mutex::default(),
        }))
    }
}

impl Inner {
    /// Publishes to other replicas.
    fn publish(&self, topic: &str, frame: Bytes) {
        let Ok(runtime) = Handle::try_current() else { return };
        // No code panics while it holds the lock.
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        if outbox.as_ref().is_none_or(Outbox::is_closed) {
            let (new, task) = Outbox::new(self.channels.clone());
            runtime.spawn(task);
            *outbox = Some(new);
        }
        if let Some(outbox) = &*outbox {
            outbox.add(topic, frame);
        }
    }

    /// Starts the listening task, unless it is running.
    fn listen(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        // No code panics while it holds the lock.
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.as_ref().is_none_or(|listening| listening.task.is_finished()) {
            let (open, closing) = oneshot::channel();
            let listener = Listener { channels: self.channels.clone(), topics: Arc::clone(&self.topics) };
            *listening = Some(Listening { task: runtime.spawn(listener.run(closing)), _open: open });
        }
    }

    /// Delivers a message to another replica.
    async fn deliver(&self, topic: &str, frame: Bytes) -> Reach {
        let end = Instant::now() + SETTLING;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.channels.publish(topic, &frame).await {
                Ok(Reached::Perhaps) => return Reach::Perhaps,
                Ok(Reached::Nobody) if Instant::now() >= end => return Reach::Nobody,
                Ok(Reached::Nobody) => {}
                Err(error) => {
                    tracing::warn!(%error, "an answer could not be passed on to its call");
                    return Reach::Unavailable;
                }
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

impl ChangeBus for RedisBus {
    fn publish(&self, topic: &str, message: Bytes) -> Reach {
        let frame = Frame::Message(&message).write(self.0.channels.origin);
        self.0.topics.send(topic, &message);
        self.0.publish(topic, frame);
        Reach::Perhaps
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        let (sender, subscription) = Subscription::connecting();
        let id = self.0.topics.add(topic, sender);
        self.0.listen();
        let (bus, topic) = (self.clone(), Box::<str>::from(topic));
        subscription.on_drop(move || bus.0.topics.remove(&topic, id))
    }

    fn deliver<'a>(&'a self, topic: &'a str, message: Bytes) -> Delivering<'a> {
        Box::pin(async move {
            if self.0.topics.send(topic, &message) {
                return Reach::Perhaps;
            }
            self.0.deliver(topic, Frame::Message(&message).write(self.0.channels.origin)).await
        })
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisBus").finish_non_exhaustive()
    }
}
