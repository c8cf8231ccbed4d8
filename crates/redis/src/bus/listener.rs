//! The task that listens to the channels.

use std::collections::HashSet;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use redis::aio::{PubSub, PubSubSink};
use redis::{ConnectionInfo, Msg, RedisError};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::frame::Frame;
use super::publisher::Channels;
use super::topics::{Difference, Topics};
use crate::link::Request;
use crate::source;

/// The shortest and the longest pause between two attempts to subscribe.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often an idle connection is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Receives the messages of this process's topics.
pub(super) struct Listener {
    pub(super) channels: Channels,
    pub(super) topics: Arc<Topics>,
}

/// A change of the subscriptions of a connection, in progress.
type Change = Pin<Box<dyn Future<Output = Result<Difference, String>> + Send>>;
type Check = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Listener {
    /// Listens until the other end of `closing` is dropped.
    pub(super) async fn run(self, mut closing: oneshot::Receiver<()>) {
        tokio::select! {
            _ = &mut closing => {}
            () = self.listen() => {}
        }
    }

    async fn listen(&self) {
        let (first, last) = PAUSES;
        let (mut pause, mut reported) = (first, String::new());
        // Another listener may have ended with its runtime.
        self.topics.disconnected();
        loop {
            let Ok(open) = self.channels.link.opened().await else { return };
            let reason = match self.connect(&open.server).await {
                Ok(connection) => {
                    (pause, reported) = (first, String::new());
                    self.serve(connection, &open.server).await
                }
                Err(reason) => reason,
            };
            self.topics.disconnected();
            if reason != reported {
                tracing::warn!(reason, "the subscriptions to Redis were lost; subscribing again");
                reported = reason;
            }
            // If the server is gone, the link finds the next one.
            let _ = self.channels.link.run(&Request::Command(redis::cmd("PING"))).await;
            sleep(pause).await;
            pause = (2 * pause).min(last);
        }
    }

    async fn connect(&self, server: &ConnectionInfo) -> Result<PubSub, String> {
        let client = source::client(server).map_err(|error| error.to_string())?;
        self.in_time(client.get_async_pubsub()).await
    }

    /// Serves one connection. Returns why it has ended.
    async fn serve(&self, connection: PubSub, server: &ConnectionInfo) -> String {
        let (sink, mut messages) = connection.split();
        let mut subscribed = HashSet::new();
        let mut moved = pin!(self.channels.link.moved(server));
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut check: Option<Check> = None;
        // The channel of all replicas.
        let mut change =
            Some(self.change(&sink, Difference { missing: vec!["".into()], ..Difference::default() }));
        loop {
            if change.is_none() {
                let difference = self.topics.compare(&subscribed);
                if !difference.is_empty() {
                    change = Some(self.change(&sink, difference));
                }
            }
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.receive(&message),
                    None => return "the connection was closed".to_owned(),
                },
                changed = maybe(&mut change) => {
                    change = None;
                    match changed {
                        Err(reason) => return reason,
                        Ok(Difference { missing, surplus }) => {
                            for topic in surplus {
                                subscribed.remove(&topic);
                            }
                            for topic in missing {
                                self.topics.connected(&topic);
                                subscribed.insert(topic);
                            }
                            // The channel of all replicas is not a topic with subscribers.
                            subscribed.remove("");
                        }
                    }
                },
                () = self.topics.changed.notified() => {}
                _ = checks.tick(), if check.is_none() => check = Some(self.check(&sink)),
                checked = maybe(&mut check) => {
                    check = None;
                    if let Err(reason) = checked {
                        return reason;
                    }
                }
                () = &mut moved => return "another server is used now".to_owned(),
            }
        }
    }

    fn receive(&self, message: &Msg) {
        let Some(topic) = self.channels.topic(message.get_channel_name()) else { return };
        match Frame::read(message.get_payload_bytes()) {
            // Messages of this process were delivered when they were published.
            Some((origin, _)) if origin == self.channels.origin => {}
            Some((_, Frame::Message(message))) => {
                self.topics.send(topic, &Bytes::copy_from_slice(message));
            }
            Some((_, Frame::Missed)) => self.topics.miss(Some(topic).filter(|topic| !topic.is_empty())),
            None => {}
        }
    }

    /// Subscribes and unsubscribes, with one command for each topic, because each reply is for one topic.
    fn change(&self, sink: &PubSubSink, difference: Difference) -> Change {
        let limit = self.channels.link.limits().response;
        let channels = self.channels.clone();
        let sink = sink.clone();
        Box::pin(async move {
            let Difference { missing, surplus } = &difference;
            let subscribing = missing.iter().map(|topic| {
                let (mut sink, channel) = (sink.clone(), channels.channel(topic));
                async move { sink.subscribe(channel).await }
            });
            let unsubscribing = surplus.iter().map(|topic| {
                let (mut sink, channel) = (sink.clone(), channels.channel(topic));
                async move { sink.unsubscribe(channel).await }
            });
            let changing = async {
                try_join_all(subscribing).await?;
                // A failed unsubscription does no harm.
                join_all(unsubscribing).await;
                Ok(())
            };
            within(limit, changing).await?;
            Ok(difference)
        })
    }

    fn check(&self, sink: &PubSubSink) -> Check {
        let (mut sink, limit) = (sink.clone(), self.channels.link.limits().response);
        Box::pin(async move { within(limit, async { sink.ping::<redis::Value>().await.map(drop) }).await })
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, String> {
        within(self.channels.link.limits().response, work).await
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no response within {limit:?}")),
    }
}

/// Waits for the work, or forever if there is none.
async fn maybe<T>(work: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match work {
        Some(work) => work.as_mut().await,
        None => pending().await,
    }
}
