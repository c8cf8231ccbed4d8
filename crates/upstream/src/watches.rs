//! Who listens to an upstream's changes, and the resources of which callers want to hear.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::Instant;

use mcp_stateless::changes::{BusSender, ChangeBus, Reach, Subscription};
use mcp_stateless::protocol::Era;

/// The most resources that are watched for one caller, and the longest URI.
const MOST: usize = 1024;
const MAX_URI: usize = 8 * 1024;
/// How long a resource is watched before its listener must be there.
const LEAD: Duration = Duration::from_secs(5);

pub(super) type Uris = BTreeSet<String>;

/// For whom a caller's resources are watched.
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
    // Nothing in here panics half-way, so what it guards is whole even if poisoned.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Watches {
    fn default() -> Self {
        Self { uris: watch::Sender::new(Uris::new()), latest: Mutex::default() }
    }
}

impl Watches {
    /// Watches a resource from now on; `false` when there are too many.
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

    /// Watches nothing from now on, unless a listener may be about to come.
    pub(super) fn clear(&self) {
        let is_new = |(since, _): &(Instant, Watcher)| since.elapsed() < LEAD;
        if !lock(&self.latest).as_ref().is_some_and(is_new) {
            self.uris.send_if_modified(|uris| !std::mem::take(uris).is_empty());
        }
    }

    /// For whom resources are watched, if any are.
    pub(super) fn watcher(&self) -> Option<Watcher> {
        if self.uris.borrow().is_empty() {
            return None;
        }
        lock(&self.latest).as_ref().map(|(_, watcher)| watcher.clone())
    }

    /// What is watched, and how it changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Uris> {
        self.uris.subscribe()
    }
}

/// Those who listen to the changes of one upstream.
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
        // Not under the lock: a listener that is woken may leave.
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
