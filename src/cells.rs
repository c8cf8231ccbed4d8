//! Values for each thread, so that threads do not contend for the same memory.

use std::cell::Cell;
use std::mem::replace;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::available_parallelism;

/// The maximum number of cells; a thread beyond them shares one with another thread.
const MOST: usize = 64;

/// One value for each thread that runs at the same time, each on separate cache lines.
///
/// Threads are numbered when they first use any cells. Where there are more of them than cores,
/// some share a cell, so values must be safe to share.
#[derive(Debug)]
pub(crate) struct Cells<T>(Box<[Padded<T>]>);

/// Two lines, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Cells<T> {
    /// Makes a value for each cell.
    pub(crate) fn new(mut value: impl FnMut() -> T) -> Self {
        Self((0..count()).map(|_| Padded(value())).collect())
    }

    /// Returns the value of the thread that runs.
    pub(crate) fn here(&self) -> &T {
        // The number of cells is a power of two.
        &self.0[thread_number() & (self.0.len() - 1)].0
    }

    /// Returns the values of all threads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|Padded(value)| value)
    }
}

impl<T: Default> Default for Cells<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

/// A value that can be replaced while all threads use it. Each thread locks its own cell, which has its own
/// reference count.
#[derive(Debug)]
pub(crate) struct Replaceable<T>(Cells<RwLock<Arc<Padded<Arc<T>>>>>);

/// A value in use, even if it has been replaced since.
pub(crate) struct InUse<T>(Arc<Padded<Arc<T>>>);

impl<T> Deref for InUse<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.0.0
    }
}

impl<T> Replaceable<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Arc::new(value);
        Self(Cells::new(|| RwLock::new(counted_apart(&value))))
    }

    /// Returns the current value.
    pub(crate) fn get(&self) -> InUse<T> {
        InUse(Arc::clone(&self.0.here().read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Replaces the value for all threads at once. Returns the one before.
    pub(crate) fn replace(&self, value: T) -> InUse<T> {
        let value = Arc::new(value);
        // All are locked first, so that no thread gets the old value after another has got the new one.
        let locked = self.0.iter().map(|cell| cell.write().unwrap_or_else(PoisonError::into_inner));
        let mut locked: Vec<_> = locked.collect();
        let replaced = locked.iter_mut().map(|cell| replace(&mut **cell, counted_apart(&value)));
        let before: Vec<_> = replaced.collect();
        // Unlocked before the old value is dropped, which may run the host's code.
        drop(locked);
        InUse(Arc::clone(&before[0]))
    }
}

/// Wraps a value in a reference count on separate cache lines.
fn counted_apart<T>(value: &Arc<T>) -> Arc<Padded<Arc<T>>> {
    Arc::new(Padded(Arc::clone(value)))
}

fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    let cores = || available_parallelism().map_or(1, usize::from).next_power_of_two().min(MOST);
    *COUNT.get_or_init(cores)
}

fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(next));
            next
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Cells, Replaceable};

    #[test]
    fn what_threads_count_adds_up() {
        let cells = Cells::<AtomicUsize>::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|_| _ = cells.here().fetch_add(1, Ordering::Relaxed)));
            }
        });
        let all: usize = cells.iter().map(|cell| cell.load(Ordering::Relaxed)).sum();
        assert_eq!(all, 8_000);
    }

    #[test]
    fn what_is_replaced_is_replaced_for_all_threads() {
        let (value, newest) = (Replaceable::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut now = 0;
                    while now < 1_000 {
                        let before = newest.load(Ordering::SeqCst);
                        now = **value.get();
                        assert!(now >= before, "{now} after {before}");
                        newest.fetch_max(now, Ordering::SeqCst);
                    }
                });
            }
            for next in 1..=1_000 {
                assert_eq!(**value.replace(next), next - 1);
                assert_eq!(**value.get(), next);
            }
        });
    }
}
