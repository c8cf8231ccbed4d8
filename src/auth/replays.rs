//! Detection of replayed proofs.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::digest::{Digest, sha256, sha256_of_two};

/// The maximum number of proofs in one time window, in total and for one key.
const MOST: usize = 50_000;
const MOST_OF_KEY: usize = 5_000;

/// A bounded set of the proofs that were used. When it is full, new proofs are refused: evicting an
/// old one would allow its replay. One key can only fill its own share.
#[derive(Debug)]
pub(super) struct ReplayCache {
    /// How long a proof is valid.
    length: Duration,
    windows: Mutex<Windows>,
}

/// The current and the previous time window. Proofs of both may still be valid.
#[derive(Debug)]
struct Windows {
    start: SystemTime,
    current: Window,
    before: Window,
}

#[derive(Debug, Default)]
struct Window {
    proofs: HashSet<Digest>,
    by_key: HashMap<Digest, usize>,
}

/// Whether a proof was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    First,
    Again,
    /// The set is full.
    TooMany,
}

impl ReplayCache {
    pub(super) fn new(length: Duration) -> Self {
        let windows =
            Windows { start: SystemTime::UNIX_EPOCH, current: Window::default(), before: Window::default() };
        Self { length, windows: Mutex::new(windows) }
    }

    /// Records a valid proof of a key.
    pub(super) fn see(&self, key: &str, id: &str, now: SystemTime) -> Seen {
        let (proof, key) = (sha256_of_two(key, id), sha256(key.as_bytes()));
        // No critical section panics half-way, so a poisoned state is still consistent.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.advance(self.length, now);
        if windows.current.proofs.contains(&proof) || windows.before.proofs.contains(&proof) {
            return Seen::Again;
        }
        let current = &mut windows.current;
        let of_key = current.by_key.get(&key).copied().unwrap_or_default();
        if current.proofs.len() >= MOST || of_key >= MOST_OF_KEY {
            return Seen::TooMany;
        }
        current.proofs.insert(proof);
        current.by_key.insert(key, of_key + 1);
        Seen::First
    }
}

impl Windows {
    fn advance(&mut self, length: Duration, now: SystemTime) {
        match now.duration_since(self.start) {
            Ok(age) if age < length => {}
            Ok(age) => {
                let last = std::mem::take(&mut self.current);
                self.before = if age < 2 * length { last } else { Window::default() };
                self.start = now;
            }
            // The clock was set back, so earlier proofs may be valid again: keep them.
            Err(_) => self.start = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{MOST_OF_KEY, ReplayCache, Seen};

    #[test]
    fn a_proof_is_taken_once_while_it_is_valid_and_no_key_takes_all_places() {
        let length = Duration::from_secs(70);
        let cache = ReplayCache::new(length);
        let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(cache.see("key", "1", now), Seen::First);
        for _ in 0..69 {
            now += Duration::from_secs(1);
            assert_eq!(cache.see("key", "1", now), Seen::Again);
        }
        assert_eq!(cache.see("other", "1", now), Seen::First);
        now += 2 * length;
        assert_eq!(cache.see("key", "1", now), Seen::First);
        for number in 1..MOST_OF_KEY {
            assert_eq!(cache.see("key", &format!("n{number}"), now), Seen::First);
        }
        assert_eq!(cache.see("key", "one more", now), Seen::TooMany);
        assert_eq!(cache.see("third", "1", now), Seen::First);
        // The clock is set back: used proofs stay used.
        assert_eq!(cache.see("third", "1", now - Duration::from_secs(500)), Seen::Again);
    }
}
