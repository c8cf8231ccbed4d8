//! Listeners to an upstream's changes, and the resources that callers watch.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use mcp_stateless::changes::{BusSender, ChangeBus, Reach, Subscription};
use mcp_stateless::protocol::Era;
use tokio::sync::watch;
use tokio::time::Instant;

/// The maximum number of resources that are watched for one caller, and the maximum length of a URI.
const MOST: usize = 1024;
const MAX_URI: usize = 8 * 1024;
/// How long a resource is watched before its listener must arrive.
const LEAD: Duration = Duration::from_secs(5);

pub(super) type Uris = BTreeSet<String>;

/// The reason to watch a caller's resources.
#[derive(Clone)]
pub(super) struct Watcher {
    pub(super) era: Era,
    pub(super) headers: HeaderMap,
}

/// The watched resources of one caller.
pub(super) struct Watches {
    uris: watch::Sender<Uris>,
    latest: Mutex<Option<(Instant, Watcher)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Watches {
    fn default() -> Self {
        Self { uris: watch::Sender::new(Uris::new()), latest: Mutex::default() }
    }
}

impl Watches {
    /// Watches a resource; returns `false` if there are too many.
    pub(super) fn add(&self, uri: &str, watcher: Watcher) -> bool {
        let mut has_room = true;
        *lock(&self.latest) = Some((Instant::now(), watcher));
        self.uris.send_if_modified(|uris| {
            let is_known = uris.contains(uri);
            has_room = is_known || (uris.len() < MOST && uri.len() <= MAX_URI);
            !is_known && has_room && uris.insert(uri.to_owned())
        });
        has_room
    }

    /// Stops watching, unless a listener may be about to arrive.
    pub(super) fn clear(&self) {
        let is_new = |(since, _): &(Instant, Watcher)| since.elapsed() < LEAD;
        if !lock(&self.latest).as_ref().is_some_and(is_new) {
            self.uris.send_if_modified(|uris| !std::mem::take(uris).is_empty());
        }
    }

    /// Returns the reason to watch, if resources are watched.
    pub(super) fn watcher(&self) -> Option<Watcher> {
        if self.uris.borrow().is_empty() {
            return None;
        }
        lock(&self.latest).as_ref().map(|(_, watcher)| watcher.clone())
    }

    /// Returns the watched resources, and a receiver of their changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Uris> {
        self.uris.subscribe()
    }
}

/// The listeners to the changes of one upstream.
#[derive(Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    senders: Vec<(u64, BusSender)>,
    next: u64,
}

impl Listeners {
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).senders.is_empty()
    }
}

impl ChangeBus for Listeners {
    fn publish(&self, _: &str, message: Bytes) -> Reach {
        // Not under the lock, because a listener that is woken may leave.
        let senders: Vec<_> = lock(&self.0).senders.iter().map(|(_, sender)| sender.clone()).collect();
        if senders.is_empty() {
            return Reach::Nobody;
        }
        for sender in senders {
            sender.send(message.clone());
        }
        Reach::Perhaps
    }

    fn subscribe(&self, _: &str) -> Subscription {
        let (sender, subscription) = Subscription::new();
        let mut state = lock(&self.0);
        let id = state.next;
        state.next += 1;
        state.senders.push((id, sender));
        drop(state);
        let listeners = self.clone();
        subscription.on_drop(move || lock(&listeners.0).senders.retain(|(other, _)| *other != id))
    }
}
