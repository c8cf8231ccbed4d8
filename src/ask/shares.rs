//! Places that callers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::principal::Principal;

/// A bounded number of places, of which no caller can take all.
///
/// Callers that have a principal share `most` places, and each has at most `each` of them.
/// Callers without one cannot be told apart: they have `most` other places together, so they
/// take none from those who can.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    most: usize,
    each: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    known: usize,
    unknown: usize,
    /// Of those who have any.
    by_caller: HashMap<Principal, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Full {
    #[error("all places are taken")]
    ForAll,
    #[error("all places of this caller are taken")]
    ForCaller,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    taken: Arc<Mutex<Taken>>,
    caller: Option<Principal>,
}

impl Shares {
    pub(super) fn new(most: usize, each: usize) -> Self {
        Self { most, each, taken: Arc::default() }
    }

    pub(super) fn take(&self, caller: Option<&Principal>) -> Result<Share, Full> {
        {
            let mut taken = lock(&self.taken);
            let Taken { known, unknown, by_caller } = &mut *taken;
            let all = if caller.is_some() { known } else { unknown };
            if *all >= self.most {
                return Err(Full::ForAll);
            }
            if let Some(caller) = caller {
                match by_caller.get_mut(caller) {
                    Some(own) if *own >= self.each => return Err(Full::ForCaller),
                    Some(own) => *own += 1,
                    None if self.each == 0 => return Err(Full::ForCaller),
                    None => drop(by_caller.insert(caller.clone(), 1)),
                }
            }
            *all += 1;
        }
        Ok(Share { taken: Arc::clone(&self.taken), caller: caller.cloned() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        let Some(caller) = &self.caller else {
            taken.unknown -= 1;
            return;
        };
        taken.known -= 1;
        if let Some(own) = taken.by_caller.get_mut(caller) {
            *own -= 1;
            if *own == 0 {
                taken.by_caller.remove(caller);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // Nothing in here panics half-way, so it is whole even if poisoned.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Full, Shares};
    use crate::principal::Principal;

    #[test]
    fn no_caller_takes_the_places_of_others_and_nothing_is_left_of_those_who_leave() {
        let shares = Shares::new(4, 2);
        let [one, other] = ["one", "other"].map(Principal::new);
        let take = |caller: Option<&Principal>| shares.take(caller);
        let mut held: Vec<_> = [Some(&one), Some(&one), Some(&other)].map(take).into_iter().collect();
        assert_eq!(take(Some(&one)).err(), Some(Full::ForCaller));
        held.extend([None, None, None, None].map(take));
        assert_eq!(take(None).err(), Some(Full::ForAll));
        held.push(take(Some(&other)));
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(take(Some(&Principal::new("third"))).err(), Some(Full::ForAll));
        drop(held);
        let taken = super::lock(&shares.taken);
        assert_eq!((taken.known, taken.unknown, taken.by_caller.len()), (0, 0, 0));
    }
}
