//! Sessions for those who need them: opened on demand, once for all who wait, kept for
//! listeners, and closed when nobody has used them for a while.

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
use super::handshake::{Attempts, Unopened};
use super::kind::ListKind;
use super::pool::{Pool, lock};
use super::session::{Lease, Opening, Session};
use super::settings::Key;
use super::tasks::Aborting;
use super::watches::Watcher;

/// What is to be done for a caller.
enum Step {
    Take(Lease),
    Wait(watch::Receiver<Option<Opened>>),
    Fail(UpstreamError),
}

impl Pool {
    /// The session of a caller that speaks the era `wanted` if the upstream does, opened if
    /// need be: once, however many ask for it, and to its end even if all of them leave.
    pub(super) async fn lease(
        self: &Arc<Self>,
        key: &Key,
        wanted: Option<Era>,
        headers: &HeaderMap,
    ) -> Result<Lease, UpstreamError> {
        // The session that was waited for may be closed again before its turn comes.
        for _ in 0..8 {
            let mut done = match self.step(key, wanted, headers) {
                Step::Take(lease) => return Ok(lease),
                Step::Fail(error) => return Err(error),
                Step::Wait(done) => done,
            };
            let outcome = done.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
            if let Some(Err(error)) = outcome {
                // Where the era that was wanted is not certain to be there, the other one will do.
                return match self.step(key, wanted, headers) {
                    Step::Take(lease) => Ok(lease),
                    _ => Err(error),
                };
            }
        }
        Err(self.lost("it is closed as soon as it is opened"))
    }

    fn step(self: &Arc<Self>, key: &Key, wanted: Option<Era>, headers: &HeaderMap) -> Step {
        let eras = self.known().eras;
        let era = eras.spoken(self.settings.era.or(wanted));
        let mut callers = lock(&self.callers);
        // Shutting down takes the callers under this lock, after it has said so.
        if self.is_shut() {
            return Step::Fail(UpstreamError::ShutDown { upstream: self.name() });
        }
        let caller = callers.entry(key);
        // What is being opened may tell that this era is not there.
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
                // Whether the era is there is not known, but the other one is.
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
        // Looked at only now: it may be what has made room.
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
        };
        let task = Aborting::spawn(async move {
            let outcome = opening.run().await;
            // Its slot is another one by now, so nothing may be waited for from here on.
            end.send_replace(Some(outcome));
        });
        *callers.entry(key).slot(era) = Slot::Opening { done: done.clone(), _task: task };
        Step::Wait(done)
    }

    fn evict(&self, session: &Session) {
        self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        session.close(Closing::Gently);
    }

    /// Puts the outcome of an opening in its place.
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
                    // Until then the era that did answer is spoken.
                    let failures = task.failures + 1;
                    let until = Instant::now() + wait_after(failures);
                    let error = UpstreamError::open(&self.name(), cause);
                    *caller.slot(task.attempts.first) =
                        Slot::Down { until, failures, was_open: false, error };
                }
                let slot = caller.slot(about.era);
                match slot {
                    // It turned out to be of an era of which there is one.
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

    /// Watches a resource for a caller, whose session is opened if need be; `false` when it
    /// watches too many.
    pub(super) fn watch(self: &Arc<Self>, key: &Key, uri: &str, watcher: Watcher) -> bool {
        let (era, headers) = (watcher.era, watcher.headers.clone());
        let is_watched = self.watches(key).add(uri, watcher);
        // It goes on by itself.
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

    /// Closes unused sessions, and opens those that listeners wait for.
    fn sweep(self: &Arc<Self>) {
        self.parked.sweep();
        if let Some(connections) = &self.connections {
            connections.sweep();
        }
        let mut callers = lock(&self.callers);
        if self.listeners.is_empty() {
            callers.iter().for_each(|(_, caller)| caller.watches.clear());
        }
        // A caller that hears of a resource uses its session.
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

/// Why there is no session.
enum Refused {
    /// The upstream has the other era alone.
    Lacks,
    Error(UpstreamError),
}

/// The opening of one session, in a task of the pool.
struct OpeningTask {
    pool: Weak<Pool>,
    key: Key,
    headers: HeaderMap,
    attempts: Attempts,
    failures: u32,
}

impl OpeningTask {
    async fn run(self) -> Opened {
        let Some(pool) = self.pool.upgrade() else { return Ok(()) };
        let (limit, upstream) = (pool.settings.open_timeout, pool.name());
        let opened = self.open(pool);
        let outcome = match timeout(limit, opened).await {
            Ok(opened) => opened.map_err(|Unopened { cause, lacks_era }| {
                if lacks_era {
                    Refused::Lacks
                } else {
                    Refused::Error(UpstreamError::open(&upstream, &cause))
                }
            }),
            Err(_) => Err(Refused::Error(UpstreamError::OpenTimeout { upstream, limit })),
        };
        match &outcome {
            Ok(session) => tracing::debug!(session = session.id, "a session with an upstream is open"),
            Err(Refused::Lacks) => tracing::debug!("an upstream has one era alone"),
            Err(Refused::Error(error)) => {
                // What clients read of it. The rest may hold what the upstream wrote.
                let reason = error.told();
                tracing::warn!(reason = reason.message(), "an upstream cannot be opened");
                tracing::debug!(error = shown(&error.to_string()), "why an upstream cannot be opened");
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

    /// Opens the session, which does not keep the pool alive.
    fn open(&self, pool: Arc<Pool>) -> impl Future<Output = Result<Arc<Session>, Unopened>> + Send + use<> {
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
        let (headers, attempts) = (self.headers.clone(), self.attempts);
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
            };
            opening.open(ended).await
        }
    }

    /// Hears what the session is told to have changed.
    fn news(&self) -> News {
        let (pool, key) = (Weak::clone(&self.pool), self.key.clone());
        Box::new(move |change| {
            let Some(pool) = pool.upgrade() else { return };
            let kinds: &[ListKind] = match change {
                Change::Tools => &[ListKind::Tools],
                Change::Prompts => &[ListKind::Prompts],
                Change::Resources => &[ListKind::Resources, ListKind::Templates],
                // The contents of a resource are in no list.
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
