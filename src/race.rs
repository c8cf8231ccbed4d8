//! A race of two threads for the last of something, for unit tests.

use std::sync::Barrier;

/// Has two threads take the last of something again and again, at the same moment.
///
/// # Panics
/// When not exactly one of them gets it.
pub(crate) fn one_of_two_gets<T>(take: impl Fn() -> Option<T> + Sync) {
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let race = || {
        let run = |_| {
            start.wait();
            let taken = take();
            end.wait();
            let won = taken.is_some();
            drop(taken);
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
