//! The callers of one upstream, their sessions, and the choice of sessions to evict.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::protocol::Era;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::UpstreamError;
use super::lists::Lists;
use super::session::Session;
use super::settings::Key;
use super::tasks::Aborting;
use super::watches::Watches;

/// How long the failures of an upstream are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The pause after the first failure, and the longest one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// The outcome of opening a session.
pub(super) type Opened = Result<(), UpstreamError>;

/// Returns the pause after this many failures in a row.
pub(super) fn wait_after(failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

/// One caller: its sessions, and the lists and watches that outlive them.
pub(super) struct Caller {
    slots: [Slot; 2],
    pub(super) lists: [Arc<Lists>; 2],
    pub(super) watches: Arc<Watches>,
    last_used: Instant,
}

impl Default for Caller {
    fn default() -> Self {
        let (slots, lists, watches) = Default::default();
        Self { slots, lists, watches, last_used: Instant::now() }
    }
}

impl Caller {
    pub(super) fn slot(&mut self, era: Era) -> &mut Slot {
        &mut self.slots[era as usize]
    }

    /// Replaces the state of a session that ends. Its lists expire, because they may change before
    /// the next session opens.
    fn end(&mut self, era: Era, state: Slot) -> Slot {
        self.lists[era as usize].expire();
        std::mem::replace(self.slot(era), state)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot, Slot::Closed | Slot::Down { .. }))
    }
}

/// The state of one session.
#[derive(Default)]
pub(super) enum Slot {
    #[default]
    Closed,
    Opening {
        done: watch::Receiver<Option<Opened>>,
        _task: Aborting,
    },
    Open {
        session: Arc<Session>,
        failures: u32,
    },
    /// It failed, and is not opened again before `until`.
    Down {
        until: Instant,
        failures: u32,
        was_open: bool,
        error: UpstreamError,
    },
}

impl Slot {
    /// Returns the session, unless it is closing.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Open { session, .. } if !session.is_closing() => Some(session),
            _ => None,
        }
    }

    fn takes_room(&self) -> bool {
        self.session().is_some() || matches!(self, Self::Opening { .. })
    }
}

/// The error if all sessions are in use.
pub(super) struct Full;

/// The callers of one upstream, by their keys.
#[derive(Default)]
pub(super) struct Callers {
    callers: HashMap<Key, Caller>,
    max_sessions: usize,
}

impl Callers {
    pub(super) fn new(max_sessions: usize) -> Self {
        Self { callers: HashMap::new(), max_sessions }
    }

    /// Returns a known caller.
    pub(super) fn get(&mut self, key: &Key) -> Option<&mut Caller> {
        self.callers.get_mut(key)
    }

    /// Returns a caller, and creates it if it is not known yet.
    pub(super) fn entry(&mut self, key: &Key) -> &mut Caller {
        if !self.callers.contains_key(key) {
            self.forget_idle();
            self.callers.insert(key.clone(), Caller::default());
        }
        let caller = self.callers.get_mut(key).expect("it exists or was just inserted");
        caller.last_used = Instant::now();
        caller
    }

    /// Forgets the callers without sessions that were not used for the longest time, if there are too
    /// many.
    fn forget_idle(&mut self) {
        let most = self.max_sessions.saturating_mul(2).max(16);
        if self.callers.len() < most {
            return;
        }
        let idle = self.callers.values().filter(|caller| caller.is_closed());
        let mut idle: Vec<_> = idle.map(|caller| caller.last_used).collect();
        idle.sort_unstable();
        // Removes half of them at once, so that this does not run for each new caller.
        let Some(oldest) = idle.get(idle.len() / 2).copied() else { return };
        self.callers.retain(|_, caller| !caller.is_closed() || caller.last_used > oldest);
    }

    /// Makes room for one more session. If the limit is reached, returns the session to close: the
    /// idle one that was not used for the longest time.
    ///
    /// # Errors
    /// Returns an error if all sessions are in use.
    pub(super) fn make_room(&mut self) -> Result<Option<Arc<Session>>, Full> {
        if self.slots().filter(|slot| slot.takes_room()).count() < self.max_sessions {
            return Ok(None);
        }
        let slots = self.callers.values_mut().filter_map(|caller| {
            let idle = |era| Some((caller.slots[era as usize].session()?.idle_since()?, era));
            let longest = ERAS.into_iter().filter_map(idle).min_by_key(|(since, _)| *since);
            longest.map(|(since, era)| (since, era, caller))
        });
        let (_, era, caller) = slots.min_by_key(|(since, ..)| *since).ok_or(Full)?;
        Ok(match caller.end(era, Slot::Closed) {
            Slot::Open { session, .. } => Some(session),
            _ => None,
        })
    }

    /// Records that a session ended by itself. After repeated failures the next one has to wait.
    pub(super) fn ended(&mut self, key: &Key, id: u64, error: UpstreamError) {
        let Some(caller) = self.callers.get_mut(key) else { return };
        for era in ERAS {
            if let Slot::Open { session, failures } = caller.slot(era)
                && session.id == id
            {
                let failures = if session.was_good() { 0 } else { *failures + 1 };
                // The first restart does not wait.
                let wait = if failures > 1 { wait_after(failures - 1) } else { Duration::ZERO };
                let until = Instant::now() + wait;
                caller.end(era, Slot::Down { until, failures, was_open: true, error });
                return;
            }
        }
    }

    /// Removes the sessions that were not used for `timeout`, except those of callers to keep.
    pub(super) fn take_idle(
        &mut self,
        timeout: Duration,
        keeps: impl Fn(&Caller) -> bool,
    ) -> Vec<Arc<Session>> {
        let now = Instant::now();
        let mut idle = Vec::new();
        for caller in self.callers.values_mut() {
            let is_kept = keeps(caller);
            for era in ERAS {
                let slot = caller.slot(era);
                let since = slot.session().and_then(|session| session.idle_since());
                let is_old = since.is_some_and(|since| now.saturating_duration_since(since) >= timeout);
                if is_old && !is_kept {
                    if let Slot::Open { session, .. } = caller.end(era, Slot::Closed) {
                        idle.push(session);
                    }
                } else if matches!(slot, Slot::Down { until, .. } if now >= *until + REMEMBERED) {
                    *slot = Slot::Closed;
                }
            }
        }
        idle
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Caller)> {
        self.callers.iter()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.callers.values().flat_map(|caller| &caller.slots)
    }

    /// Returns the number of open sessions.
    pub(super) fn open(&self) -> usize {
        self.slots().filter(|slot| matches!(slot, Slot::Open { .. })).count()
    }

    /// Forgets all callers and returns their sessions.
    pub(super) fn take_all(&mut self) -> Vec<Arc<Session>> {
        let slots = std::mem::take(&mut self.callers).into_values().flat_map(|caller| caller.slots);
        let sessions = slots.filter_map(|slot| match slot {
            Slot::Open { session, .. } => Some(session),
            _ => None,
        });
        sessions.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST_WAIT, wait_after};

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        assert_eq!(wait_after(1), Duration::from_millis(100));
        assert_eq!(wait_after(2), Duration::from_millis(200));
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
