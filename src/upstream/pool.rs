//! The sessions of one upstream: one for each caller, opened when it is needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::builder::Settings;
use super::counters::Counters;
use super::http::Connections;
use super::lists::{List, offered};
use super::opening::{Changed, open, wait_after};
use super::parked::ParkedCalls;
use super::pending::Lease;
use super::router::Closing;
use super::session::{Opening, Session};
use super::tasks::{Aborting, clean};
use super::{UpstreamError, UpstreamStats};
use crate::changes::Changes;
use crate::protocol::{Era, ServerCapabilities};
use crate::registry::Kind;

/// How long it may take until nothing is left of sessions that are closed.
const SHUT_DOWN_LIMIT: Duration = Duration::from_secs(10);
/// How long it is remembered that an upstream failed.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Who calls, as far as sessions are concerned; `None` is everyone without a key.
pub(super) type Key = Option<String>;

pub(super) type Opened = Result<(), UpstreamError>;

/// The sessions of one upstream.
pub(super) struct Pool {
    pub(super) settings: Arc<Settings>,
    pub(super) changes: Changes,
    pub(super) counters: Arc<Counters>,
    pub(super) parked: ParkedCalls,
    connections: Option<Connections>,
    /// One place for each session that may be open, held until nothing is left of it.
    room: Arc<Semaphore>,
    slots: Mutex<HashMap<Key, Slot>>,
    /// What is known of every session alike.
    known: Mutex<Known>,
    next_id: AtomicU64,
    is_shut: AtomicBool,
    /// Ends what nobody uses; begun with the first session.
    janitor: Mutex<Option<Aborting>>,
}

/// What was learned from the latest session.
#[derive(Default)]
struct Known {
    era: Option<Era>,
    capabilities: Option<ServerCapabilities>,
    lists: [Option<Arc<List>>; 4],
}

/// The state of one caller's session.
enum Slot {
    Opening {
        done: watch::Receiver<Option<Opened>>,
        _task: Aborting,
    },
    Open {
        session: Arc<Session>,
        failures: u32,
    },
    /// It failed, and is not opened again before its time.
    Down {
        until: Instant,
        failures: u32,
        was_open: bool,
        error: UpstreamError,
    },
}

/// What is to be done for a caller.
enum Step {
    Take(Lease),
    Wait(watch::Receiver<Option<Opened>>),
    Fail(UpstreamError),
}

impl Pool {
    pub(super) fn new(settings: Settings, connections: Option<Connections>) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(settings.max_sessions.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            settings: Arc::new(settings),
            room,
            changes: Changes::in_process(),
            counters: Arc::default(),
            parked: ParkedCalls::default(),
            connections,
            slots: Mutex::default(),
            known: Mutex::default(),
            next_id: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
            janitor: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // Nothing in here panics half-way, so the slots are whole even if poisoned.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> String {
        self.settings.name.to_string()
    }

    /// The session of a caller, opened if need be: once, however many ask for it.
    pub(super) async fn lease(
        self: &Arc<Self>,
        key: &Key,
        headers: &HeaderMap,
    ) -> Result<Lease, UpstreamError> {
        // The session that was waited for may be closed again before its turn comes.
        for _ in 0..8 {
            let mut done = match self.step(key, headers) {
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

    fn step(self: &Arc<Self>, key: &Key, headers: &HeaderMap) -> Step {
        if self.is_shut.load(Ordering::Acquire) {
            return Step::Fail(UpstreamError::ShutDown { upstream: self.name() });
        }
        let mut slots = self.lock();
        let (failures, was_open) = match slots.get(key) {
            Some(Slot::Open { session, .. }) if !session.router.is_closing() => {
                return Step::Take(Lease::new(session));
            }
            Some(Slot::Open { session, failures }) => (failures + u32::from(!session.was_good()), true),
            Some(Slot::Opening { done, .. }) => return Step::Wait(done.clone()),
            Some(Slot::Down { until, error, .. }) if Instant::now() < *until => {
                return Step::Fail(error.clone());
            }
            Some(Slot::Down { failures, was_open, .. }) => (*failures, *was_open),
            None => (0, false),
        };
        slots.remove(key);
        if let Err(error) = self.make_room(&mut slots) {
            return Step::Fail(error);
        }
        self.start_janitor();
        if was_open {
            self.counters.reopened.fetch_add(1, Ordering::Relaxed);
        }
        let (end, done) = watch::channel(None);
        let (pool, key_of_task, headers) = (Arc::downgrade(self), key.clone(), headers.clone());
        let opening = self.opening(headers);
        let task = tokio::spawn(async move {
            let outcome = open(opening, pool, key_of_task, failures).await;
            // Its slot is another one by now, so that nothing may be waited for from here on.
            end.send_replace(Some(outcome));
        });
        slots.insert(key.clone(), Slot::Opening { done: done.clone(), _task: Aborting(task) });
        Step::Wait(done)
    }

    /// Sees to it that one more session may be opened.
    fn make_room(&self, slots: &mut HashMap<Key, Slot>) -> Result<(), UpstreamError> {
        let now = Instant::now();
        let most = self.settings.max_sessions;
        slots.retain(|_, slot| match slot {
            Slot::Down { until, .. } => now < *until + REMEMBERED,
            Slot::Open { session, .. } => !session.router.is_closing(),
            Slot::Opening { .. } => true,
        });
        if slots.len() >= most.saturating_mul(4) {
            slots.retain(|_, slot| !matches!(slot, Slot::Down { .. }));
        }
        let open = slots.values().filter(|slot| !matches!(slot, Slot::Down { .. })).count();
        if open < most {
            return Ok(());
        }
        let idle = slots.iter().filter_map(|(key, slot)| match slot {
            Slot::Open { session, .. } => Some((session.idle_since()?, key)),
            _ => None,
        });
        let Some(oldest) = idle.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone()) else {
            return Err(UpstreamError::Full { upstream: self.name(), limit: most });
        };
        if let Some(Slot::Open { session, .. }) = slots.remove(&oldest) {
            self.evict(&session);
        }
        Ok(())
    }

    fn evict(&self, session: &Session) {
        self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        session.close(Closing::Gently);
    }

    fn opening(self: &Arc<Self>, headers: HeaderMap) -> Opening {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let notices = Box::new(Changed { pool: Arc::downgrade(self), session: id });
        Opening {
            id,
            settings: Arc::clone(&self.settings),
            connections: self.connections.clone(),
            notices,
            room: Arc::clone(&self.room),
            counters: Arc::clone(&self.counters),
            headers,
            era: self.known().era,
        }
    }

    /// Puts the outcome of an opening in its place.
    pub(super) fn opened(&self, key: Key, outcome: &Result<Arc<Session>, UpstreamError>, failures: u32) {
        let mut slots = self.lock();
        let slot = match outcome {
            Ok(session) if self.is_shut.load(Ordering::Acquire) => {
                session.close(Closing::Gently);
                return;
            }
            Ok(session) => {
                self.counters.opened.fetch_add(1, Ordering::Relaxed);
                let mut known = self.known();
                known.era = Some(session.about.era);
                known.capabilities = Some(offered(&session.about.capabilities));
                Slot::Open { session: Arc::clone(session), failures }
            }
            Err(error) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                // It may be another server by now.
                self.known().era = None;
                let until = Instant::now() + wait_after(failures + 1);
                Slot::Down { until, failures: failures + 1, was_open: false, error: error.clone() }
            }
        };
        slots.insert(key, slot);
    }

    /// A session is over. If nobody wanted that, the next one may have to wait.
    pub(super) fn ended(&self, key: &Key, id: u64) {
        let mut slots = self.lock();
        let Some(Slot::Open { session, failures }) = slots.get(key) else { return };
        if session.id != id {
            return;
        }
        let failures = if session.was_good() { 0 } else { failures + 1 };
        // The first restart is at once.
        let until = Instant::now() + if failures > 1 { wait_after(failures - 1) } else { Duration::ZERO };
        let error = self.lost("it ends again and again");
        slots.insert(key.clone(), Slot::Down { until, failures, was_open: true, error });
    }

    /// The upstream does not know a session any more.
    pub(super) fn forgotten(&self, key: &Key, session: &Session) {
        self.ended(key, session.id);
        session.close(Closing::Now);
    }

    /// Remembers a list beyond its session, for [`has`](Self::has).
    pub(super) fn remember(&self, kind: Kind, list: &Arc<List>) {
        self.known().lists[kind as usize] = Some(Arc::clone(list));
    }

    /// What one session was told to have changed.
    pub(super) fn forget_lists(&self, session_id: u64, kinds: &[Kind]) {
        for slot in self.lock().values() {
            if let Slot::Open { session, .. } = slot
                && session.id == session_id
            {
                for kind in kinds {
                    session.lists.drop(*kind);
                }
            }
        }
        let mut known = self.known();
        for kind in kinds {
            known.lists[*kind as usize] = None;
        }
    }

    /// Whether some list has an item; `None` when no list is known.
    pub(super) fn has(&self, kind: Kind, name: &str) -> Option<bool> {
        let mut lists: Vec<_> = self.known().lists[kind as usize].clone().into_iter().collect();
        lists.extend(self.lock().values().filter_map(|slot| match slot {
            Slot::Open { session, .. } => session.lists.latest(kind),
            _ => None,
        }));
        (!lists.is_empty()).then(|| lists.iter().any(|list| list.has(kind, name)))
    }

    /// What the upstream offers, once a session has been opened.
    pub(super) fn capabilities(&self) -> Option<ServerCapabilities> {
        self.known().capabilities
    }

    pub(super) fn stats(&self) -> UpstreamStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let open = self.lock().values().filter(|slot| matches!(slot, Slot::Open { .. })).count();
        UpstreamStats {
            open,
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
        let slots = std::mem::take(&mut *self.lock());
        self.parked.clear();
        let sessions: Vec<_> = slots
            .into_values()
            .filter_map(|slot| match slot {
                Slot::Open { session, .. } => Some(session),
                _ => None,
            })
            .inspect(|session| session.close(Closing::Gently))
            .collect();
        for session in sessions {
            session.ended().await;
        }
        // Those that were being opened have a place as well.
        let all = u32::try_from(self.settings.max_sessions).unwrap_or(u32::MAX);
        let _ = timeout(SHUT_DOWN_LIMIT, self.room.acquire_many(all)).await;
    }

    fn start_janitor(self: &Arc<Self>) {
        let mut janitor = self.janitor.lock().unwrap_or_else(PoisonError::into_inner);
        if janitor.is_none() {
            *janitor = Some(Aborting(tokio::spawn(clean(Arc::downgrade(self), self.settings.idle_timeout))));
        }
    }

    /// Ends what nobody has used for long.
    pub(super) fn sweep(&self) {
        self.parked.sweep();
        let now = Instant::now();
        self.lock().retain(|_, slot| match slot {
            Slot::Open { session, .. } => {
                let is_old = |since| now.saturating_duration_since(since) >= self.settings.idle_timeout;
                let is_idle = session.idle_since().is_some_and(is_old);
                if is_idle {
                    self.evict(session);
                }
                !is_idle
            }
            Slot::Down { until, .. } => now < *until + REMEMBERED,
            Slot::Opening { .. } => true,
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for slot in std::mem::take(&mut *self.lock()).into_values() {
            if let Slot::Open { session, .. } = slot {
                session.close(Closing::Now);
            }
        }
    }
}
