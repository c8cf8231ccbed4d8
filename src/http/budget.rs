//! A limit on the total size of the bodies being read.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit on the bytes that all bodies being read may hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    held: AtomicUsize,
}

/// The part of a budget that one body holds. Dropping it returns the bytes.
pub(crate) struct BudgetShare<'a> {
    budget: &'a Budget,
    held: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0) }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Creates an empty share.
    pub(crate) fn share(&self) -> BudgetShare<'_> {
        BudgetShare { budget: self, held: 0 }
    }
}

impl BudgetShare<'_> {
    /// Grows to `length` bytes. If the budget does not allow it, returns `false` and leaves the
    /// share unchanged. Of two shares that race for the last bytes, one gets them.
    #[must_use]
    pub(crate) fn grow_to(&mut self, length: usize) -> bool {
        let Some(more) = length.checked_sub(self.held) else { return true };
        let fits = |held: usize| held.checked_add(more).filter(|held| *held <= self.budget.most);
        let grown = self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.held = length;
        }
        grown
    }
}

impl Drop for BudgetShare<'_> {
    fn drop(&mut self) {
        // A body that arrived in one piece must not touch the shared counter.
        if self.held > 0 {
            self.budget.held.fetch_sub(self.held, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::race;

    #[test]
    fn shares_are_given_back_and_a_refused_one_keeps_what_it_had() {
        let budget = Budget::new(10);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.grow_to(6) && second.grow_to(4));
        assert!(first.grow_to(3) && !first.grow_to(7) && !second.grow_to(usize::MAX));
        drop(first);
        assert!(second.grow_to(10) && !budget.share().grow_to(1));
        drop(second);
        assert!(budget.share().grow_to(10));
    }

    #[test]
    fn of_two_that_race_for_the_last_bytes_one_gets_them() {
        let budget = Budget::new(1);
        race::one_of_two_gets(|| {
            let mut share = budget.share();
            share.grow_to(1).then_some(share)
        });
    }
}
