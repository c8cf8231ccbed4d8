//! Leases of sessions. Sessions are opened on demand, kept open for listeners, and closed when they
//! have not been used for a while.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::HeaderMap;
use mcp_stateless::changes::Change;
use mcp_stateless::protocol::Era;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::callers::{Caller, Full, Opened, Slot, wait_after};
use super::connection::{Closing, News};
use super::eras::other;
use super::error::UpstreamError;
use super::failure::{Cause, shown};
use super::handshake::{Attempts, Shows, Unopened};
use super::kind::ListKind;
use super::pool::{Pool, lock};
use super::session::{Lease, Opening, Session};
use super::settings::Key;
use super::tasks::Aborting;
use super::transport::LastWords;
use super::watches::Watcher;

/// The next step for a caller that needs a session.
enum Step {
    Take(Lease),
    Wait(watch::Receiver<Option<Opened>>),
    Fail(UpstreamError),
}

impl Pool {
    /// Returns the session of a caller, in the era `wanted` if the upstream supports it. Opens the
    /// session if necessary. Concurrent requests for it share one opening, which continues even if all
    /// of them are cancelled.
    pub(super) async fn lease(
        self: &Arc<Self>,
        key: &Key,
        wanted: Option<Era>,
        headers: &HeaderMap,
    ) -> Result<Lease, UpstreamError> {
        // The session may be closed again before this task runs.
        for _ in 0..8 {
            let mut done = match self.step(key, wanted, headers) {
                Step::Take(lease) => return Ok(lease),
                Step::Fail(error) => return Err(error),
                Step::Wait(done) => done,
            };
            let outcome = done.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
            if let Some(Err(error)) = outcome {
                // If it is not known whether the upstream supports this era, use the other one.
                return match self.step(key, wanted, headers) {
                    Step::Take(lease) => Ok(lease),
                    _ => Err(error),
                };
            }
        }
        Err(self.lost("its sessions close as soon as they open"))
    }

    fn step(self: &Arc<Self>, key: &Key, wanted: Option<Era>, headers: &HeaderMap) -> Step {
        let eras = self.known().eras;
        let era = eras.spoken(self.settings.era.or(wanted));
        let mut callers = lock(&self.callers);
        // Checked under the lock: a shutdown sets the flag before it locks the callers.
        if self.is_shut() {
            return Step::Fail(UpstreamError::ShutDown { upstream: self.name() });
        }
        let caller = callers.entry(key);
        // The session that is being opened may show that this era is not supported.
        if eras.has(era).is_none()
            && let Slot::Opening { done, .. } = caller.slot(other(era))
        {
            return Step::Wait(done.clone());
        }
        let (failures, was_open) = match caller.slot(era) {
            Slot::Open { session, .. } if !session.is_closing() => return Step::Take(Lease::new(session)),
            Slot::Open { session, failures } => (*failures + u32::from(!session.was_good()), true),
            Slot::Opening { done, .. } => return Step::Wait(done.clone()),
            Slot::Down { until, error, .. } if Instant::now() < *until => {
                let error = error.clone();
                // If it is not known whether this era is supported, use a session of the other.
                let spoken = caller.slot(other(era)).session().filter(|_| eras.has(era).is_none());
                return spoken.map_or(Step::Fail(error), |session| Step::Take(Lease::new(session)));
            }
            Slot::Down { failures, was_open, .. } => (*failures, *was_open),
            Slot::Closed => (0, false),
        };
        *caller.slot(era) = Slot::Closed;
        match callers.make_room() {
            Ok(None) => {}
            Ok(Some(session)) => self.evict(&session),
            Err(Full) => {
                let limit = self.settings.max_sessions;
                return Step::Fail(UpstreamError::Full { upstream: self.name(), limit });
            }
        }
        if was_open {
            self.counters.reopened.fetch_add(1, Ordering::Relaxed);
        }
        self.start_janitor();
        // Checked only now, because `make_room` may have closed that session.
        let has_other = callers.entry(key).slot(other(era)).session().is_some();
        let attempts = Attempts {
            first: era,
            second: self.settings.era.is_none().then(|| other(era)),
            is_probe: eras.has(era).is_none() && has_other,
            may_be_modern: eras.has(Era::Modern) != Some(false),
        };
        let (end, done) = watch::channel(None);
        let opening = OpeningTask {
            pool: Arc::downgrade(self),
            key: key.clone(),
            headers: headers.clone(),
            attempts,
            failures,
            words: Arc::default(),
        };
        let task = Aborting::spawn(async move {
            let outcome = opening.run().await;
            // The slot has been replaced, which aborts this task: nothing may be awaited here.
            end.send_replace(Some(outcome));
        });
        *callers.entry(key).slot(era) = Slot::Opening { done: done.clone(), _task: task };
        Step::Wait(done)
    }

    fn evict(&self, session: &Session) {
        self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        session.close(Closing::Gently);
    }

    /// Stores the outcome of an opening.
    fn opened(&self, task: &OpeningTask, outcome: &Result<Arc<Session>, Refused>) {
        let mut callers = lock(&self.callers);
        let caller = callers.entry(&task.key);
        *caller.slot(task.attempts.first) = Slot::Closed;
        match outcome {
            Ok(session) if self.is_shut() => session.close(Closing::Gently),
            Ok(session) => {
                let about = &session.about;
                self.known().learn(about, task.attempts.first, self.settings.target.is_single());
                if let Some(cause) = about.undecided.as_ref().filter(|_| about.era != task.attempts.first) {
                    // Until then, the era that was opened is used.
                    let failures = task.failures + 1;
                    let until = Instant::now() + wait_after(failures);
                    let error = UpstreamError::open(&self.name(), cause);
                    *caller.slot(task.attempts.first) =
                        Slot::Down { until, failures, was_open: false, error };
                }
                let slot = caller.slot(about.era);
                match slot {
                    // There is already a session of the era that was negotiated.
                    Slot::Open { session: other, .. } if !other.is_closing() => {
                        session.close(Closing::Gently);
                    }
                    Slot::Opening { .. } => session.close(Closing::Gently),
                    _ => {
                        self.counters.opened.fetch_add(1, Ordering::Relaxed);
                        *slot = Slot::Open { session: Arc::clone(session), failures: task.failures };
                        caller.lists[about.era as usize].expire();
                    }
                }
            }
            Err(Refused::Lacks) => self.known().eras.only(other(task.attempts.first)),
            Err(Refused::Error(error)) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                let failures = task.failures + 1;
                let until = Instant::now() + wait_after(failures);
                *caller.slot(task.attempts.first) =
                    Slot::Down { until, failures, was_open: false, error: error.clone() };
            }
        }
    }

    /// Watches a resource for a caller, and opens its session if necessary. Returns `false` if the
    /// caller watches too many resources.
    pub(super) fn watch(self: &Arc<Self>, key: &Key, uri: &str, watcher: Watcher) -> bool {
        let (era, headers) = (watcher.era, watcher.headers.clone());
        let is_watched = self.watches(key).add(uri, watcher);
        // The opening continues without being awaited.
        drop(self.step(key, Some(era), &headers));
        is_watched
    }

    fn start_janitor(self: &Arc<Self>) {
        let mut janitor = lock(&self.janitor);
        if janitor.is_none() {
            let pool = Arc::downgrade(self);
            let often =
                (self.settings.idle_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(15));
            *janitor = Some(Aborting::spawn(async move {
                loop {
                    tokio::time::sleep(often).await;
                    match pool.upgrade() {
                        Some(pool) => pool.sweep(),
                        None => return,
                    }
                }
            }));
        }
    }

    /// Closes unused sessions, and reopens those that listeners need.
    fn sweep(self: &Arc<Self>) {
        self.parked.sweep();
        if let Some(connections) = &self.connections {
            connections.sweep();
        }
        let mut callers = lock(&self.callers);
        if self.listeners.is_empty() {
            callers.iter().for_each(|(_, caller)| caller.watches.clear());
        }
        // A caller that watches a resource uses its session.
        let keeps = |caller: &Caller| self.settings.target.is_single() || caller.watches.watcher().is_some();
        for session in callers.take_idle(self.settings.idle_timeout, keeps) {
            self.evict(&session);
        }
        let closed = callers.iter().filter(|(_, caller)| caller.is_closed());
        let to_open: Vec<_> =
            closed.filter_map(|(key, caller)| Some((key.clone(), caller.watches.watcher()?))).collect();
        drop(callers);
        for (key, Watcher { era, headers }) in to_open {
            drop(self.step(&key, Some(era), &headers));
        }
    }
}

/// Why a session could not be opened.
enum Refused {
    /// The upstream only supports the other era.
    Lacks,
    Error(UpstreamError),
}

/// The task that opens one session.
struct OpeningTask {
    pool: Weak<Pool>,
    key: Key,
    headers: HeaderMap,
    attempts: Attempts,
    failures: u32,
    /// The output of a child besides its messages.
    words: Arc<LastWords>,
}

impl OpeningTask {
    async fn run(self) -> Opened {
        let Some(pool) = self.pool.upgrade() else { return Ok(()) };
        let (limit, upstream) = (pool.settings.open_timeout, pool.name());
        let first = self.open(pool, self.attempts);
        let opened = async {
            match first.await {
                Err(Unopened { shows: Shows::EndsOnModern, cause }) => {
                    match self.pool.upgrade().filter(|pool| !pool.settings.target.is_single()) {
                        Some(pool) => self.open(pool, Attempts::LEGACY).await,
                        None => Err(cause.into()),
                    }
                }
                outcome => outcome,
            }
        };
        let outcome = match timeout(limit, opened).await {
            Ok(opened) => opened.map_err(|Unopened { cause, shows }| match shows {
                Shows::LacksEra => Refused::Lacks,
                Shows::Nothing | Shows::EndsOnModern => {
                    Refused::Error(UpstreamError::open(&upstream, &cause))
                }
            }),
            Err(_) => {
                Err(Refused::Error(UpstreamError::OpenTimeout { upstream, limit, said: self.words.text() }))
            }
        };
        match &outcome {
            Ok(session) => tracing::debug!(session = session.id, "opened a session with an upstream"),
            Err(Refused::Lacks) => tracing::debug!("an upstream supports only one era"),
            Err(Refused::Error(error)) => {
                // Clients see this. The rest may contain text of the upstream.
                let reason = error.told();
                tracing::warn!(reason = reason.message(), "opening a session with an upstream failed");
                tracing::debug!(
                    error = shown(&error.to_string()),
                    "why opening a session with an upstream failed"
                );
            }
        }
        match self.pool.upgrade() {
            Some(pool) => pool.opened(&self, &outcome),
            None => {
                if let Ok(session) = &outcome {
                    session.close(Closing::Now);
                }
            }
        }
        match outcome {
            Ok(_) | Err(Refused::Lacks) => Ok(()),
            Err(Refused::Error(error)) => Err(error),
        }
    }

    /// Opens the session. The future does not keep the pool alive.
    fn open(
        &self,
        pool: Arc<Pool>,
        attempts: Attempts,
    ) -> impl Future<Output = Result<Arc<Session>, Unopened>> + Send + use<> {
        let id = pool.next_id.fetch_add(1, Ordering::Relaxed);
        let (key, weak) = (self.key.clone(), Weak::clone(&self.pool));
        let ended = move || {
            if let Some(pool) = weak.upgrade() {
                pool.ended(&key, id);
            }
        };
        let (news, watches) = (self.news(), pool.watches(&self.key));
        let (settings, connections) = (Arc::clone(&pool.settings), pool.connections.clone());
        let (counters, room) = (Arc::clone(&pool.counters), Arc::clone(&pool.room));
        let shut = pool.shut.subscribe();
        let (headers, words) = (self.headers.clone(), Arc::clone(&self.words));
        drop(pool);
        async move {
            let place = room.acquire_owned().await.map_err(|error| Cause::new(error.to_string()))?;
            let opening = Opening {
                id,
                settings,
                connections,
                counters,
                news,
                watches,
                shut,
                place,
                headers,
                attempts,
                words,
            };
            opening.open(ended).await
        }
    }

    /// Returns the handler of the session's change notifications.
    fn news(&self) -> News {
        let (pool, key) = (Weak::clone(&self.pool), self.key.clone());
        Box::new(move |change| {
            let Some(pool) = pool.upgrade() else { return };
            let kinds: &[ListKind] = match change {
                Change::Tools => &[ListKind::Tools],
                Change::Prompts => &[ListKind::Prompts],
                Change::Resources => &[ListKind::Resources, ListKind::Templates],
                // A change of a resource's contents does not affect any list.
                _ => &[],
            };
            if let Some(caller) = lock(&pool.callers).get(&key) {
                for kind in kinds {
                    caller.lists.iter().for_each(|lists| lists.changed(*kind));
                }
            }
            for kind in kinds {
                pool.known().forget(*kind);
            }
            pool.changes.publish(change);
        })
    }
}
