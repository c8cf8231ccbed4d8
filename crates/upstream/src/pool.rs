//! The state that all calls of one upstream share: the sessions of its callers, one for each era in
//! use, and what is known about the upstream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_stateless::changes::Changes;
use mcp_stateless::protocol::{Era, ServerCapabilities};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::callers::{Caller, Callers};
use super::connection::Closing;
use super::counters::Counters;
use super::error::UpstreamError;
use super::info::UpstreamStats;
use super::kind::ListKind;
use super::known::Known;
use super::lists::{List, Lists};
use super::parked::ParkedCalls;
use super::session::Session;
use super::settings::{Key, Settings};
use super::tasks::Aborting;
use super::transport::Connections;
use super::watches::{Listeners, Watches};

/// The time limit for closing all sessions.
const SHUT_DOWN_LIMIT: Duration = Duration::from_secs(10);

/// The sessions of one upstream, and what is known about it.
pub(super) struct Pool {
    pub(super) settings: Arc<Settings>,
    pub(super) changes: Changes,
    pub(super) listeners: Listeners,
    pub(super) counters: Arc<Counters>,
    pub(super) parked: ParkedCalls,
    pub(super) connections: Option<Connections>,
    /// One permit for each session. A session holds it until all its resources are released.
    pub(super) room: Arc<Semaphore>,
    pub(super) callers: Mutex<Callers>,
    known: Mutex<Known>,
    pub(super) next_id: AtomicU64,
    /// How all sessions are to close, including those that have been replaced.
    pub(super) shut: watch::Sender<Closing>,
    /// The task that closes unused sessions; started with the first session.
    pub(super) janitor: Mutex<Option<Aborting>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No critical section panics half-way, so a poisoned value is still consistent.
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
            shut: watch::Sender::new(Closing::Open),
            janitor: Mutex::default(),
        })
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    pub(super) fn name(&self) -> String {
        self.settings.name.to_string()
    }

    pub(super) fn lost(&self, reason: &str) -> UpstreamError {
        UpstreamError::Lost { upstream: self.name(), reason: reason.to_owned() }
    }

    pub(super) fn ended(&self, key: &Key, id: u64) {
        let error = self.lost("its sessions end repeatedly");
        lock(&self.callers).ended(key, id, error);
    }

    /// Handles a session that the upstream has forgotten. Each open request in it finds out by itself
    /// and is repeated in another session.
    pub(super) fn forgotten(&self, key: &Key, session: &Session) {
        self.ended(key, session.id);
        session.retire();
    }

    /// Returns the lists of a caller in this era.
    pub(super) fn lists(&self, key: &Key, era: Era) -> Arc<Lists> {
        Arc::clone(&lock(&self.callers).entry(key).lists[era as usize])
    }

    /// Returns the era that is used if this one is preferred.
    pub(super) fn era(&self, wanted: Option<Era>) -> Era {
        self.known().eras.spoken(self.settings.era.or(wanted))
    }

    pub(super) fn watches(&self, key: &Key) -> Arc<Watches> {
        Arc::clone(&lock(&self.callers).entry(key).watches)
    }

    /// Keeps a list beyond its session, for [`has`](Self::has).
    pub(super) fn remember(&self, kind: ListKind, list: &Arc<List>) {
        self.known().remember(kind, list);
    }

    /// Whether the upstream has an item; `None` if that is not certain.
    ///
    /// Any list with the item is enough for `true`. `false` needs a current list that is the same for
    /// all callers: a private list of one caller says nothing about the others.
    pub(super) fn has(&self, kind: ListKind, name: &str) -> Option<bool> {
        let (eras, latest) = {
            let known = self.known();
            (known.eras, known.list(kind))
        };
        if let Some(list) = latest {
            if list.has(kind, name) {
                return Some(true);
            }
            if list.leaves_out(name) {
                return Some(false);
            }
        }
        let callers = lock(&self.callers);
        let known = |(_, caller): (_, &Caller)| caller.lists.iter().any(|it| it.knows(kind, name));
        if callers.iter().any(known) {
            return Some(true);
        }
        let is_for_all = |list: &List| self.settings.target.is_single() || list.is_public;
        let tells = |era: Era| {
            let mut lists = callers.iter().filter_map(|(_, it)| it.lists[era as usize].fresh(kind));
            lists.any(|list| is_for_all(&list))
        };
        let mut spoken =
            [Era::Legacy, Era::Modern].into_iter().filter(|era| eras.has(*era) != Some(false)).peekable();
        let is_certain = spoken.peek().is_some() && spoken.all(tells);
        is_certain.then_some(false)
    }

    /// Whether the latest list has left this tool out.
    pub(super) fn leaves_out(&self, tool: &str) -> bool {
        self.known().list(ListKind::Tools).is_some_and(|list| list.leaves_out(tool))
    }

    /// Returns the upstream's capabilities once a session has been opened.
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

    pub(super) fn is_shut(&self) -> bool {
        *self.shut.borrow() != Closing::Open
    }

    /// Closes all sessions and waits until they are closed.
    pub(super) async fn shut_down(&self) {
        self.shut.send_modify(|how| *how = Closing::Gently.max(*how));
        let sessions = lock(&self.callers).take_all();
        self.parked.clear();
        for session in &sessions {
            session.ended().await;
        }
        // Sessions that are being opened hold a permit as well.
        let all = u32::try_from(self.settings.max_sessions).unwrap_or(u32::MAX);
        let _ = timeout(SHUT_DOWN_LIMIT, self.room.acquire_many(all)).await;
    }

    /// Ends all sessions immediately. No other session is opened.
    pub(super) fn close(&self) {
        self.shut.send_replace(Closing::Now);
        self.parked.clear();
        drop(lock(&self.callers).take_all());
        drop(lock(&self.janitor).take());
    }
}
