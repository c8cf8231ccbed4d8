//! The sessions of one upstream: for each caller one of each era that is spoken, opened when
//! it is needed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::callers::{Caller, Callers, Full, Opened, Slot, wait_after};
use super::connection::{Closing, News};
use super::counters::Counters;
use super::eras::other;
use super::error::UpstreamError;
use super::failure::Cause;
use super::handshake::{Attempts, Unopened};
use super::info::UpstreamStats;
use super::kind::ListKind;
use super::known::Known;
use super::lists::{List, Lists};
use super::parked::ParkedCalls;
use super::session::{Lease, Opening, Session};
use super::settings::{Key, Settings};
use super::tasks::Aborting;
use super::transport::Connections;
use super::watches::{Listeners, Watcher, Watches};
use mcp_stateless::changes::{Change, Changes};
use mcp_stateless::protocol::{Era, ServerCapabilities};

/// How long it may take until nothing is left of sessions that are closed.
const SHUT_DOWN_LIMIT: Duration = Duration::from_secs(10);

/// The sessions of one upstream.
pub(super) struct Pool {
    pub(super) settings: Arc<Settings>,
    pub(super) changes: Changes,
    listeners: Listeners,
    pub(super) counters: Arc<Counters>,
    pub(super) parked: ParkedCalls,
    connections: Option<Connections>,
    /// One place for each session that may be open, held until nothing is left of it.
    room: Arc<Semaphore>,
    callers: Mutex<Callers>,
    known: Mutex<Known>,
    next_id: AtomicU64,
    is_shut: AtomicBool,
    /// Closes unused sessions; started with the first one.
    janitor: Mutex<Option<Aborting>>,
}

/// What is to be done for a caller.
enum Step {
    Take(Lease),
    Wait(watch::Receiver<Option<Opened>>),
    Fail(UpstreamError),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way, so what it guards is whole even if poisoned.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(
        settings: Settings,
        connections: Option<Connections>,
        listeners: Listeners,
    ) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(settings.max_sessions.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            room,
            changes: Changes::over(Arc::new(listeners.clone()), "changes"),
            listeners,
            counters: Arc::default(),
            parked: ParkedCalls::default(),
            connections,
            callers: Mutex::new(Callers::new(settings.max_sessions)),
            settings: Arc::new(settings),
            known: Mutex::default(),
            next_id: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
            janitor: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    fn name(&self) -> String {
        self.settings.name.to_string()
    }

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
            if let Ok(outcome) = done.wait_for(Option::is_some).await
                && let Some(Err(error)) = &*outcome
            {
                return Err(error.clone());
            }
        }
        Err(self.lost("it is closed as soon as it is opened"))
    }

    fn lost(&self, reason: &str) -> UpstreamError {
        UpstreamError::Lost { upstream: self.name(), reason: reason.to_owned() }
    }

    fn step(self: &Arc<Self>, key: &Key, wanted: Option<Era>, headers: &HeaderMap) -> Step {
        let eras = self.known().eras;
        let era = eras.spoken(self.settings.era.or(wanted));
        let mut callers = lock(&self.callers);
        // Shutting down takes the callers under this lock, after it has said so.
        if self.is_shut.load(Ordering::Acquire) {
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
            Slot::Down { until, error, .. } if Instant::now() < *until => return Step::Fail(error.clone()),
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
        let opening = Task {
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
    fn opened(&self, task: &Task, outcome: &Result<Arc<Session>, Refused>) {
        let mut callers = lock(&self.callers);
        let caller = callers.entry(&task.key);
        *caller.slot(task.attempts.first) = Slot::Closed;
        match outcome {
            Ok(session) if self.is_shut.load(Ordering::Acquire) => session.close(Closing::Gently),
            Ok(session) => {
                let about = &session.about;
                self.known().learn(about, task.attempts.first, self.settings.target.is_single());
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

    fn ended(&self, key: &Key, id: u64) {
        let error = self.lost("it ends again and again");
        lock(&self.callers).ended(key, id, error);
    }

    /// The upstream has forgotten a session.
    pub(super) fn forgotten(&self, key: &Key, session: &Session) {
        self.ended(key, session.id);
        session.close(Closing::Gone);
    }

    /// The lists of a caller, as a session of this era tells them.
    pub(super) fn lists(&self, key: &Key, era: Era) -> Arc<Lists> {
        Arc::clone(&lock(&self.callers).entry(key).lists[era as usize])
    }

    /// The era that would be spoken for someone who wants this one.
    pub(super) fn era(&self, wanted: Option<Era>) -> Era {
        self.known().eras.spoken(self.settings.era.or(wanted))
    }

    fn watches(&self, key: &Key) -> Arc<Watches> {
        Arc::clone(&lock(&self.callers).entry(key).watches)
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

    /// Remembers a list beyond its session, for [`has`](Self::has).
    pub(super) fn remember(&self, kind: ListKind, list: &Arc<List>) {
        self.known().remember(kind, list);
    }

    /// Whether some list has an item; `None` when no list is known.
    pub(super) fn has(&self, kind: ListKind, name: &str) -> Option<bool> {
        let latest = self.known().list(kind);
        if latest.as_ref().is_some_and(|list| list.has(kind, name)) {
            return Some(true);
        }
        let callers = lock(&self.callers);
        let mut of_callers =
            callers.iter().flat_map(|(_, it)| &it.lists).filter_map(|it| it.known(kind)).peekable();
        let is_known = latest.is_some() || of_callers.peek().is_some();
        is_known.then(|| of_callers.any(|list| list.has(kind, name)))
    }

    /// What the upstream offers, once a session has been opened.
    pub(super) fn capabilities(&self) -> Option<ServerCapabilities> {
        self.known().capabilities()
    }

    pub(super) fn stats(&self) -> UpstreamStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        UpstreamStats {
            open: lock(&self.callers).open(),
            opened: load(&self.counters.opened),
            reopened: load(&self.counters.reopened),
            failed: load(&self.counters.failed),
            evicted: load(&self.counters.evicted),
            in_flight: self.counters.in_flight.load(Ordering::Relaxed),
            parked: self.parked.len(),
            dropped_logs: load(&self.counters.dropped_logs),
        }
    }

    /// Closes all sessions, and waits until they are.
    pub(super) async fn shut_down(&self) {
        self.is_shut.store(true, Ordering::Release);
        let sessions = lock(&self.callers).take_all();
        self.parked.clear();
        for session in &sessions {
            session.close(Closing::Gently);
        }
        for session in &sessions {
            session.ended().await;
        }
        // Those that were being opened have a place as well.
        let all = u32::try_from(self.settings.max_sessions).unwrap_or(u32::MAX);
        let _ = timeout(SHUT_DOWN_LIMIT, self.room.acquire_many(all)).await;
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

    /// Ends all sessions at once, and opens no other.
    pub(super) fn close(&self) {
        self.is_shut.store(true, Ordering::Release);
        self.parked.clear();
        let sessions = lock(&self.callers).take_all();
        for session in sessions {
            session.close(Closing::Now);
        }
        drop(lock(&self.janitor).take());
    }
}

/// Why there is no session.
enum Refused {
    /// The upstream has the other era alone.
    Lacks,
    Error(UpstreamError),
}

/// The opening of one session, in a task of the pool.
struct Task {
    pool: Weak<Pool>,
    key: Key,
    headers: HeaderMap,
    attempts: Attempts,
    failures: u32,
}

impl Task {
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
            Err(Refused::Error(error)) => tracing::warn!(%error),
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
        let (headers, attempts) = (self.headers.clone(), self.attempts);
        drop(pool);
        async move {
            let place = room.acquire_owned().await.map_err(|error| Cause::new(error.to_string()))?;
            let opening =
                Opening { id, settings, connections, counters, news, watches, place, headers, attempts };
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
