//! The calls of one session that are under way, and what the upstream sends on their way.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::counters::Counters;
use super::wire::{self, Incoming};
use crate::changes::Change;
use crate::protocol::LogLevel;
use crate::rpc::RpcError;

/// How many messages wait for a call that takes them slowly.
const EVENTS: usize = 64;
/// How many requests of the upstream may be under way; more are dropped.
const MOST_ASKED: usize = 64;
/// How long a message on a connection that all calls share waits for a call that does not
/// take it. After that the call gets only what finds room, until it takes something.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an upstream sends to a call on its way.
#[derive(Debug)]
pub(super) enum Event {
    Progress { progress: f64, total: Option<f64>, message: String },
    Log { level: LogLevel, logger: String, data: Box<RawValue> },
    Ask(Ask),
}

/// A question of the upstream, which waits for its answer.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
    pub(super) reply: oneshot::Sender<Result<Value, RpcError>>,
}

/// The upstream's side of one call.
#[derive(Debug)]
pub(super) struct Slot {
    events: mpsc::Sender<Event>,
    /// Whether it did not take a message in time.
    is_stalled: AtomicBool,
}

impl Slot {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(EVENTS);
        (Arc::new(Self { events, is_stalled: AtomicBool::new(false) }), receiver)
    }

    /// Hands over a message that came on the call's own stream, which may wait.
    async fn give(&self, event: Event) -> Given {
        match self.events.send(event).await {
            Ok(()) => Given::Taken,
            Err(_) => Given::Dropped,
        }
    }

    /// Hands over a message that holds up those of other calls.
    async fn give_soon(&self, event: Event) -> Given {
        let event = match self.events.try_send(event) {
            Ok(()) => {
                self.is_stalled.store(false, Ordering::Relaxed);
                return Given::Taken;
            }
            Err(mpsc::error::TrySendError::Full(event)) => event,
            Err(mpsc::error::TrySendError::Closed(_)) => return Given::Dropped,
        };
        if self.is_stalled.load(Ordering::Relaxed) {
            return Given::Dropped;
        }
        if let Ok(Ok(())) = timeout(PATIENCE, self.events.send(event)).await {
            return Given::Taken;
        }
        self.is_stalled.store(true, Ordering::Relaxed);
        Given::Dropped
    }
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Taken,
    Dropped,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closing {
    /// Not at all, so far.
    #[default]
    Open,
    /// The upstream may finish what it does.
    Gently,
    /// At once.
    Now,
}

/// What a session tells those who share its upstream.
pub(super) trait Notices: Send + Sync {
    /// A list has changed, or a resource.
    fn changed(&self, change: Change<'_>);
}

/// Where the messages of one session meet its calls.
pub(super) struct Router {
    calls: Mutex<HashMap<i64, Arc<Slot>>>,
    /// Requests whose results `rmcp` reads itself: the handshake and the subscription.
    own: Mutex<HashSet<i64>>,
    /// The ids of the upstream's requests that are not answered.
    asked: Mutex<HashSet<String>>,
    closing: watch::Sender<Closing>,
    notices: Box<dyn Notices>,
    counters: Arc<Counters>,
    /// That of the session among those of its upstream: free when nothing has this any more.
    _place: OwnedSemaphorePermit,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way, so what it guards is whole even if poisoned.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Router {
    pub(super) fn new(
        notices: Box<dyn Notices>,
        counters: Arc<Counters>,
        place: OwnedSemaphorePermit,
    ) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            own: Mutex::default(),
            asked: Mutex::default(),
            closing: watch::Sender::new(Closing::Open),
            notices,
            counters,
            _place: place,
        })
    }

    /// Begins to hand messages to a call, unless it is over already.
    pub(super) fn register(&self, id: i64, slot: &Arc<Slot>) {
        let mut calls = lock(&self.calls);
        if !slot.events.is_closed() {
            calls.insert(id, Arc::clone(slot));
        }
    }

    pub(super) fn forget(&self, id: i64) {
        lock(&self.calls).remove(&id);
    }

    /// Leaves the result of a request to `rmcp`.
    pub(super) fn leave(&self, id: i64) {
        lock(&self.own).insert(id);
    }

    /// A request of the upstream has its answer.
    pub(super) fn answered(&self, id: &str) {
        lock(&self.asked).remove(id);
    }

    /// Ends the session; a later call can only hasten it.
    pub(super) fn close(&self, how: Closing) {
        self.closing.send_if_modified(|closing| {
            let hastens = how > *closing;
            *closing = how.max(*closing);
            hastens
        });
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.closing.borrow() != Closing::Open
    }

    /// Waits until the session ends.
    pub(super) async fn closed(&self) {
        self.closes(Closing::Gently).await;
    }

    /// Waits until the session ends in this way, or in a faster one.
    pub(super) async fn closes(&self, how: Closing) {
        let mut closing = self.closing.subscribe();
        // The sender is part of this, so it is there.
        let _ = closing.wait_for(|closing| *closing >= how).await;
    }

    /// Takes a message of the upstream; what it gives back is for `rmcp`. `origin` is the
    /// call on whose stream the message came, if that is known.
    pub(super) async fn receive(&self, text: &str, origin: Option<i64>) -> Option<String> {
        match Incoming::read(text, origin)? {
            Incoming::Response { id, outcome } => {
                if lock(&self.own).remove(&id) {
                    return Some(wire::own_response(id, outcome));
                }
                Some(wire::wrapped_response(id, outcome))
            }
            Incoming::Request { id, method, params } => {
                let mut asked = lock(&self.asked);
                if asked.len() >= MOST_ASKED {
                    tracing::warn!(%method, "an upstream asks too much at a time, and is not heard");
                    return None;
                }
                asked.insert(wire::id_key(id));
                drop(asked);
                Some(wire::wrapped_request(id, &method, params, origin))
            }
            Incoming::Notification { method, params } => self.notice(&method, params, text, origin).await,
        }
    }

    async fn notice(
        &self,
        method: &str,
        params: Option<&RawValue>,
        text: &str,
        origin: Option<i64>,
    ) -> Option<String> {
        match method {
            "notifications/progress" => {
                let (token, event) = wire::progress(params?)?;
                let slot = lock(&self.calls).get(&token).cloned()?;
                self.give(&slot, event, origin).await;
                None
            }
            "notifications/message" => {
                for slot in self.listeners(origin) {
                    self.give(&slot, wire::log(params?)?, origin).await;
                }
                None
            }
            "notifications/tools/list_changed" => self.changed(Change::Tools),
            "notifications/prompts/list_changed" => self.changed(Change::Prompts),
            "notifications/resources/list_changed" => self.changed(Change::Resources),
            "notifications/resources/updated" => {
                let uri = wire::text_member(params?, "uri")?;
                self.changed(Change::Resource(&uri))
            }
            "notifications/cancelled" => {
                if let Some(id) = wire::cancelled(params?) {
                    self.answered(&id);
                }
                Some(text.to_owned())
            }
            "notifications/subscriptions/acknowledged" => Some(text.to_owned()),
            _ => None,
        }
    }

    fn changed(&self, change: Change<'_>) -> Option<String> {
        self.notices.changed(change);
        None
    }

    async fn give(&self, slot: &Slot, event: Event, origin: Option<i64>) {
        let is_log = matches!(event, Event::Log { .. });
        let given = match origin {
            Some(_) => slot.give(event).await,
            None => slot.give_soon(event).await,
        };
        if is_log && given == Given::Dropped {
            self.counters.dropped_logs.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those whom a log message may concern.
    fn listeners(&self, origin: Option<i64>) -> Vec<Arc<Slot>> {
        let calls = lock(&self.calls);
        match origin {
            Some(id) => calls.get(&id).cloned().into_iter().collect(),
            None => calls.values().cloned().collect(),
        }
    }

    /// Hands a question to the call on whose stream it came; where that is not known, to the
    /// only call or, of several, to the latest. `None` when there is none.
    pub(super) async fn ask(&self, ask: Ask, origin: Option<i64>) -> Option<()> {
        let slot = {
            let calls = lock(&self.calls);
            match origin {
                Some(id) => calls.get(&id).cloned(),
                None => calls.iter().max_by_key(|(id, _)| **id).map(|(_, slot)| Arc::clone(slot)),
            }?
        };
        slot.events.send(Event::Ask(ask)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use tokio::sync::Semaphore;

    use super::{Counters, EVENTS, Event, Notices, Router, Slot};
    use crate::changes::Change;

    struct Deaf;

    fn router(counters: &Arc<Counters>) -> Arc<Router> {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("it is free");
        Router::new(Box::new(Deaf), Arc::clone(counters), place)
    }

    impl Notices for Deaf {
        fn changed(&self, _: Change<'_>) {}
    }

    const LOG: &str =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_does_not_read_loses_log_messages_and_they_are_counted() {
        let counters = Arc::new(Counters::default());
        let router = router(&counters);
        let (slot, mut events) = Slot::new();
        router.register(7, &slot);
        for _ in 0..EVENTS + 3 {
            assert_eq!(router.receive(LOG, None).await, None);
        }
        assert_eq!(counters.dropped_logs.load(Ordering::Relaxed), 3);
        let mut kept = 0;
        while events.try_recv().is_ok() {
            kept += 1;
        }
        assert_eq!(kept, EVENTS);
    }

    #[tokio::test]
    async fn progress_finds_its_call_and_nothing_finds_one_that_is_over() {
        let router = router(&Arc::default());
        let (slot, mut events) = Slot::new();
        router.register(7, &slot);
        let progress = |token| {
            format!(
                r#"{{"method":"notifications/progress","params":{{"progressToken":{token},"progress":1.5}}}}"#
            )
        };
        assert_eq!(router.receive(&progress("8"), None).await, None);
        assert_eq!(router.receive(&progress("7"), None).await, None);
        assert!(matches!(events.try_recv(), Ok(Event::Progress { progress: 1.5, .. })));
        assert!(events.try_recv().is_err());
        drop(events);
        router.forget(7);
        router.register(7, &slot);
        assert!(router.listeners(None).is_empty(), "a call that is over was registered");
    }
}
