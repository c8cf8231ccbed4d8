//! Bounded places that callers share, for example those of listeners and of waiting calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::principal::Principal;

/// A bounded number of places. No caller can take all of them.
///
/// Callers with a principal share `most` places, and each has at most `each` of them. Callers
/// without one cannot be told apart. They share `most` other places, so that they take none from
/// known callers.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    most: usize,
    each: usize,
    taken: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    known: usize,
    unknown: usize,
    /// The places of known callers, by caller.
    by_caller: HashMap<Principal, usize>,
}

/// Why there is no free place. The number is the limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Full {
    #[error("all {0} places are taken")]
    ForAll(usize),
    #[error("all {0} places of this caller are taken")]
    ForPrincipal(usize),
}

/// A place that is occupied until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<Mutex<Counts>>,
    caller: Option<Principal>,
}

impl Places {
    pub(crate) fn new(most: usize, each: usize) -> Self {
        Self { most, each, taken: Arc::default() }
    }

    pub(crate) fn take(&self, caller: Option<&Principal>) -> Result<Place, Full> {
        {
            let mut taken = lock(&self.taken);
            let Counts { known, unknown, by_caller } = &mut *taken;
            let all = if caller.is_some() { known } else { unknown };
            if *all >= self.most {
                return Err(Full::ForAll(self.most));
            }
            if let Some(caller) = caller {
                match by_caller.get_mut(caller) {
                    Some(own) if *own >= self.each => return Err(Full::ForPrincipal(self.each)),
                    Some(own) => *own += 1,
                    None if self.each == 0 => return Err(Full::ForPrincipal(self.each)),
                    None => drop(by_caller.insert(caller.clone(), 1)),
                }
            }
            *all += 1;
        }
        Ok(Place { taken: Arc::clone(&self.taken), caller: caller.cloned() })
    }
}

impl Drop for Place {
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

fn lock(taken: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    // No code panics while it holds the lock, so the counts are consistent even if it is poisoned.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Full, Places};
    use crate::{principal::Principal, race};

    #[test]
    fn no_caller_takes_the_places_of_others_and_nothing_is_left_of_those_who_leave() {
        let places = Places::new(4, 2);
        let [one, other] = ["one", "other"].map(Principal::new);
        let take = |caller: Option<&Principal>| places.take(caller);
        let mut held: Vec<_> = [Some(&one), Some(&one), Some(&other)].map(take).into_iter().collect();
        assert_eq!(take(Some(&one)).err(), Some(Full::ForPrincipal(2)));
        held.extend([None, None, None, None].map(take));
        assert_eq!(take(None).err(), Some(Full::ForAll(4)));
        held.push(take(Some(&other)));
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(take(Some(&Principal::new("third"))).err(), Some(Full::ForAll(4)));
        drop(held);
        let taken = super::lock(&places.taken);
        assert_eq!((taken.known, taken.unknown, taken.by_caller.len()), (0, 0, 0));
    }

    #[test]
    fn of_two_that_race_for_the_last_place_one_gets_it() {
        let places = Places::new(1, 1);
        race::one_of_two_gets(|| places.take(None).ok());
    }
}
