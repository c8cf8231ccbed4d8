//! A bounded cache of verified tokens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::digest::Digest;
use super::token::VerifiedToken;

/// A bounded cache from digests of secrets to values, each with a time at which it expires.
///
/// Entries are kept in two generations. When the younger one is full, it replaces the older one,
/// which drops the entries that were not used recently.
pub(super) struct DigestCache<T> {
    /// The capacity of one generation.
    most: usize,
    generations: Mutex<Generations<T>>,
}

type Entries<T> = HashMap<Digest, (T, SystemTime)>;

struct Generations<T> {
    young: Entries<T>,
    old: Entries<T>,
}

pub(super) type TokenCache = DigestCache<VerifiedToken>;

impl<T: Clone> DigestCache<T> {
    /// Creates a cache for at most `most` values.
    pub(super) fn new(most: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { most: most / 2, generations: Mutex::new(generations) }
    }

    /// Returns the value for `key` unless it has expired.
    pub(super) fn get(&self, key: &Digest, now: SystemTime) -> Option<T> {
        let mut generations = self.lock();
        if let Some((value, until)) = generations.young.get(key) {
            return (*until > now).then(|| value.clone());
        }
        let (value, until) = generations.old.remove(key)?;
        if until <= now {
            return None;
        }
        generations.insert(self.most, *key, value.clone(), until);
        Some(value)
    }

    pub(super) fn insert(&self, key: Digest, value: T, until: SystemTime) {
        if self.most > 0 {
            self.lock().insert(self.most, key, value, until);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<T>> {
        // No critical section panics half-way, so a poisoned state is still consistent.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Generations<T> {
    fn insert(&mut self, most: usize, key: Digest, value: T, until: SystemTime) {
        if self.young.len() >= most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (value, until));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::DigestCache;
    use crate::auth::digest::sha256;

    #[test]
    fn no_more_is_remembered_than_may_be_and_what_is_asked_for_stays() {
        let (cache, now) = (DigestCache::new(8), SystemTime::UNIX_EPOCH);
        let until = now + Duration::from_secs(10);
        let key = |number: u32| sha256(&number.to_be_bytes());
        for number in 0..1000 {
            cache.insert(key(number), number, until);
            assert_eq!(cache.get(&key(0), now), Some(0));
        }
        let known = (0..1000).filter(|&number| cache.get(&key(number), now).is_some()).count();
        assert!((2..=8).contains(&known), "{known}");
        assert_eq!(cache.get(&key(0), until), None);
        let none = DigestCache::new(0);
        none.insert(key(1), 1, until);
        assert_eq!(none.get(&key(1), now), None);
    }
}
