//! A client that behaves, and measures how it is served.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    process::Process,
    target::{Example, Target, usual_call},
    wire::{Until, Wire},
};

/// How long it rests between calls, so that it is no storm itself.
const REST: Duration = Duration::from_millis(1);
/// Each of so many calls goes over a connection of its own.
const FRESH_EACH: usize = 8;
/// How much slower the median call, and the slowest, may be in a storm than before it. What
/// takes others down makes them wait for seconds; a busy machine, for some milliseconds.
const MEDIAN_FACTOR: u32 = 100;
const WORST_FACTOR: u32 = 20;
const WORST_TO_MEDIAN: u32 = 2000;

/// How a neighbour was served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) calls: usize,
    pub(crate) median: Duration,
    pub(crate) worst: Duration,
    failures: Vec<String>,
    /// The most memory that the server had meanwhile, in KiB.
    pub(crate) peak: usize,
}

impl Record {
    /// Compares with how it was served before.
    ///
    /// # Errors
    /// Says what the storm did to the neighbour.
    pub(crate) fn compare(&self, before: &Self) -> Result<(), String> {
        if let Some(failure) = self.failures.first() {
            return Err(format!("{} of {} calls failed: {failure}", self.failures.len(), self.calls));
        }
        let worst = (before.worst * WORST_FACTOR).max(before.median * WORST_TO_MEDIAN);
        if self.worst > worst || self.median > before.median * MEDIAN_FACTOR {
            let Self { median, worst, .. } = self;
            return Err(format!(
                "the median call took {median:?} and the slowest {worst:?}, before {:?} and {:?}",
                before.median, before.worst
            ));
        }
        Ok(())
    }
}

/// A neighbour at work, in a thread to itself: what the storm's own clients do must not slow
/// its clock.
pub(crate) struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Record>,
}

impl Neighbour {
    pub(crate) fn start(target: &Target, connects: Connects) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, example, address) = (Arc::clone(&stop), target.example, target.address);
        let process = target.process;
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(Caller { example, address, process, connects }.call_until(&stopped))
        });
        Self { stop, thread }
    }

    /// Waits until its call is through.
    pub(crate) async fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        let waiting = tokio::task::spawn_blocking(|| self.thread.join());
        waiting.await.expect("it waits to the end").expect("a neighbour does not panic")
    }

    /// How a neighbour is served while nothing else happens.
    pub(crate) async fn alone(target: &Target) -> Record {
        let neighbour = Self::start(target, Connects::Often);
        tokio::time::sleep(Duration::from_millis(300)).await;
        neighbour.stop().await
    }
}

/// Whether a neighbour needs new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connects {
    Once,
    Often,
}

struct Caller {
    example: &'static Example,
    address: SocketAddr,
    process: Process,
    connects: Connects,
}

impl Caller {
    async fn call_until(&self, stop: &AtomicBool) -> Record {
        let mut record = Record::default();
        let mut times = Vec::new();
        let mut kept = Wire::connect(self.address).await.ok();
        while !stop.load(Ordering::Relaxed) {
            record.calls += 1;
            let start = Instant::now();
            let is_fresh = self.connects == Connects::Often && record.calls.is_multiple_of(FRESH_EACH);
            let done = match (&mut kept, is_fresh) {
                (Some(wire), false) => self.call(wire, record.calls).await,
                _ => match Wire::connect(self.address).await {
                    Ok(mut wire) => self.call(&mut wire, record.calls).await,
                    Err(error) => Err(format!("cannot connect: {error}")),
                },
            };
            match done {
                Ok(()) => times.push(start.elapsed()),
                Err(failure) => {
                    record.failures.push(failure);
                    kept = None;
                }
            }
            record.peak = record.peak.max(self.process.memory().unwrap_or_default());
            tokio::time::sleep(REST).await;
        }
        times.sort_unstable();
        record.median = times.get(times.len() / 2).copied().unwrap_or_default();
        record.worst = times.last().copied().unwrap_or_default();
        record
    }

    async fn call(&self, wire: &mut Wire, number: usize) -> Result<(), String> {
        let request = usual_call(self.example, self.address, number);
        match wire.exchange(&request, Until::End).await {
            Ok(response) if response.status == 200 && response.text().contains(self.example.answer) => Ok(()),
            Ok(response) => Err(format!("{} {}", response.status, response.text())),
            Err(trouble) => Err(format!("{trouble:?}")),
        }
    }
}
