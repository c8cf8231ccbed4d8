//! How many clients may listen to changes, in all and of one caller.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::principal::Principal;

/// The places of those who listen. Only they touch it.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    most_per_principal: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    anonymous: usize,
    /// No caller is kept who has no place.
    by_principal: HashMap<Principal, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    principal: Option<Principal>,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many clients listen as may.
    ForAll(usize),
    /// This caller's share is used up.
    ForPrincipal(usize),
}

impl Places {
    pub(crate) fn new(most: usize, most_per_principal: usize) -> Self {
        Self { most, most_per_principal, taken: Mutex::default() }
    }

    /// Takes a place. Callers without a principal share all places but those of one
    /// principal, so that known callers find one whatever the others do.
    pub(crate) fn take(self: &Arc<Self>, principal: Option<&Principal>) -> Result<Place, Full> {
        let mut taken = self.lock();
        if taken.all >= self.most {
            return Err(Full::ForAll(self.most));
        }
        match principal {
            None => {
                let most = self.most.saturating_sub(self.most_per_principal).max(1);
                if taken.anonymous >= most {
                    return Err(Full::ForAll(most));
                }
                taken.anonymous += 1;
            }
            Some(principal) => match taken.by_principal.entry(principal.clone()) {
                _ if self.most_per_principal == 0 => return Err(Full::ForPrincipal(0)),
                Entry::Occupied(entry) if *entry.get() >= self.most_per_principal => {
                    return Err(Full::ForPrincipal(self.most_per_principal));
                }
                entry => *entry.or_default() += 1,
            },
        }
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), principal: principal.cloned() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing in here panics half-way, so the counts are right even if poisoned.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        match self.principal.take() {
            None => taken.anonymous -= 1,
            Some(principal) => {
                if let Entry::Occupied(mut entry) = taken.by_principal.entry(principal) {
                    *entry.get_mut() -= 1;
                    if *entry.get() == 0 {
                        entry.remove();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::{Full, Places};
    use crate::principal::Principal;

    #[test]
    fn nobody_takes_the_places_of_all() {
        let places = Arc::new(Places::new(4, 2));
        let (ada, bob) = (Principal::new("ada"), Principal::new("bob"));
        let take = |principal| places.take(principal);
        let held = [take(Some(&ada)).expect("a place"), take(Some(&ada)).expect("a place")];
        assert_eq!(take(Some(&ada)).err(), Some(Full::ForPrincipal(2)));
        let others = [take(Some(&bob)).expect("a place"), take(None).expect("a place")];
        assert_eq!(take(Some(&bob)).err(), Some(Full::ForAll(4)));
        drop(held);
        let anonymous = take(None).expect("a place");
        assert_eq!(take(None).err(), Some(Full::ForAll(2)));
        let again = take(Some(&ada)).expect("a place");
        drop((others, anonymous, again));
        let taken = places.lock();
        assert!(taken.all == 0 && taken.anonymous == 0 && taken.by_principal.is_empty());
    }

    #[test]
    fn of_two_that_race_for_the_last_place_one_gets_it() {
        let places = Arc::new(Places::new(1, 1));
        let (start, end) = (Barrier::new(2), Barrier::new(2));
        let race = || {
            let run = |_| {
                start.wait();
                let place = places.take(None);
                end.wait();
                let won = place.is_ok();
                drop(place);
                start.wait();
                won
            };
            (0..500).map(run).collect::<Vec<_>>()
        };
        let (first, second) = std::thread::scope(|scope| {
            let (first, second) = (scope.spawn(race), scope.spawn(race));
            (first.join().expect("no panic"), second.join().expect("no panic"))
        });
        assert!(first.iter().zip(&second).all(|(first, second)| first != second));
    }
}
