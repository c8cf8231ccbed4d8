//! Calls of the legacy era that wait between two rounds of a client of the modern era.
//!
//! An upstream of the legacy era asks during a call and waits. A client of the modern era is asked
//! in the reply, and answers with another request. In between the call is kept here, under an id
//! that cannot be guessed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_stateless::ask::Question;

use super::question::Ask;
use super::session::PendingCall;
use super::settings::Key;

/// How many calls may wait in total, and for one caller.
const MOST: usize = 256;
const MOST_OF_CALLER: usize = 64;
const LONGEST: Duration = Duration::from_secs(600);

/// Returns an id that cannot be guessed; `None` if the system has no randomness.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// A call that waits for an answer from its client.
pub(super) struct Parked {
    pub(super) key: Key,
    pub(super) pending: PendingCall,
    pub(super) question: Question,
    pub(super) ask: Ask,
}

/// The parked calls of one upstream, bounded in number and time.
#[derive(Default)]
pub(super) struct ParkedCalls(Mutex<HashMap<String, (Instant, Parked)>>);

impl ParkedCalls {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Parked)>> {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parks a call and returns its id; `None` if no more can wait.
    pub(super) fn park(&self, parked: Parked) -> Option<String> {
        let id = random_id()?;
        let mut calls = self.lock();
        let of_caller = calls.values().filter(|(_, other)| other.key == parked.key).count();
        if calls.len() >= MOST || of_caller >= MOST_OF_CALLER {
            return None;
        }
        calls.insert(id.clone(), (Instant::now(), parked));
        Some(id)
    }

    /// Takes the call with this id, if it belongs to this caller and still waits.
    pub(super) fn take(&self, id: &str, key: &Key) -> Option<Parked> {
        let mut calls = self.lock();
        calls.get(id).filter(|(_, parked)| parked.key == *key)?;
        calls.remove(id).map(|(_, parked)| parked)
    }

    /// Ends the calls that have waited too long, or whose session has ended.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let over: Vec<_> = {
            let mut calls = self.lock();
            calls
                .extract_if(|_, (since, parked)| {
                    let is_old = now.saturating_duration_since(*since) >= LONGEST;
                    is_old || parked.pending.session().is_over()
                })
                .collect()
        };
        if !over.is_empty() {
            tracing::debug!(calls = over.len(), "parked calls have ended");
        }
    }

    pub(super) fn clear(&self) {
        let calls = std::mem::take(&mut *self.lock());
        drop(calls);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}
