//! Measures the distance between the two cores: the round-trip time of a word in memory.
//!
//! Everything that the two sides send each other crosses that distance. On a virtual machine it
//! changes at any time, by a factor of up to five, when the host moves its processors from one cache
//! to another. The CPU time of a request may double with it.

use std::{
    io,
    sync::atomic::{
        AtomicBool, AtomicU32,
        Ordering::{Acquire, Release},
    },
    thread,
    time::{Duration, Instant},
};

use crate::process::{Cores, pin};

const BATCHES: u32 = 20;
const TRIPS: u32 = 200;
/// The time limit, in case something else occupies one of the cores.
const LIMIT: Duration = Duration::from_millis(50);

/// Returns the time of one round trip in nanoseconds: the best of several, so that pauses do not
/// count.
pub(crate) fn round_trip_ns(cores: Cores) -> io::Result<f64> {
    let (ball, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            pin(cores.server_core)?;
            while !stop.load(Acquire) {
                // Replies to every odd number with the next even one.
                let number = ball.load(Acquire);
                if number % 2 == 1 {
                    ball.store(number.wrapping_add(1), Release);
                }
            }
            Ok(())
        });
        let best = best_batch(&ball, || other.is_finished());
        stop.store(true, Release);
        other.join().unwrap_or_else(|_| Err(io::Error::other("the other side failed")))?;
        Ok(best.as_secs_f64() * 1e9 / f64::from(TRIPS))
    })
}

fn best_batch(ball: &AtomicU32, is_over: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    let mut best = LIMIT;
    for _ in 0..BATCHES {
        let batch = Instant::now();
        for _ in 0..TRIPS {
            let sent = ball.load(Acquire).wrapping_add(1);
            ball.store(sent, Release);
            let mut looks = 0_u32;
            while ball.load(Acquire) == sent {
                looks += 1;
                // Rarely, because reading the clock takes as long as the round trip.
                if looks.is_multiple_of(4096) && (is_over() || start.elapsed() > LIMIT) {
                    return best;
                }
            }
        }
        best = best.min(batch.elapsed());
    }
    best
}

/// Returns the minimum over a while: the shortest distance between the two cores.
pub(crate) fn nearest_ns(cores: Cores) -> io::Result<f64> {
    let mut nearest = f64::INFINITY;
    for _ in 0..50 {
        nearest = nearest.min(round_trip_ns(cores)?);
        thread::sleep(Duration::from_millis(60));
    }
    Ok(nearest)
}
