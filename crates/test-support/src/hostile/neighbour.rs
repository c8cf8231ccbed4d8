//! A well-behaved client that measures how it is served.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    process::Process,
    target::{Example, Target, usual_call},
    wire::{Until, Wire},
};

/// The pause between calls, so that it is not a storm itself.
const REST: Duration = Duration::from_millis(1);
/// One in this many calls uses a new connection.
const FRESH_EACH: usize = 8;
/// How much slower the slowest call may be than calls to a calm server: to this server before the
/// storm, and to another, undisturbed one during it. A fault makes calls wait for seconds; a busy
/// machine, for some milliseconds.
const TO_WORST: u32 = 20;
const TO_MEDIAN: u32 = 2000;

/// How long calls took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub median: Duration,
    pub worst: Duration,
}

impl From<Vec<Duration>> for Times {
    fn from(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        Self { median, worst: times.last().copied().unwrap_or_default() }
    }
}

/// How a neighbour was served.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub calls: usize,
    pub times: Times,
    /// The same for an undisturbed server.
    control: Times,
    failures: Vec<String>,
    /// The server's peak memory in KiB.
    pub peak: usize,
}

impl Record {
    /// Compares with how it was served before.
    ///
    /// # Errors
    /// Returns an error if the storm affected the neighbour. The error says how.
    pub fn compare(&self, before: &Self) -> Result<(), String> {
        if let Some(failure) = self.failures.first() {
            return Err(format!("{} of {} calls failed: {failure}", self.failures.len(), self.calls));
        }
        let (now, control, before) = (self.times, self.control, before.times);
        let calm = (before.worst * TO_WORST).max(before.median * TO_MEDIAN);
        if now.worst > calm.max(control.worst * TO_WORST) {
            return Err(format!("calls took {now:?}, before {before:?}, elsewhere {control:?}"));
        }
        Ok(())
    }
}

/// A running neighbour, in a thread of its own so that the storm's clients do not slow its clock.
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Record>,
}

impl Neighbour {
    /// Starts to call, and waits until the first call has succeeded.
    pub async fn start(target: &Target, connects: Connects) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (begun, begins) = oneshot::channel();
        let caller = Caller {
            example: target.example,
            address: target.address,
            control: target.control,
            process: target.process,
            connects,
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(caller.call_until(&stopped, begun))
        });
        // A thread that has ended reports it in its record.
        let _ = begins.await;
        Self { stop, thread }
    }

    /// Waits until its call has succeeded.
    pub async fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        let waiting = tokio::task::spawn_blocking(|| self.thread.join());
        waiting.await.expect("it waits to the end").expect("a neighbour does not panic")
    }

    /// Measures how a neighbour is served when nothing else happens.
    pub async fn alone(target: &Target) -> Record {
        let neighbour = Self::start(target, Connects::Often).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        neighbour.stop().await
    }
}

/// Whether a neighbour needs new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connects {
    Once,
    Often,
}

struct Caller {
    example: &'static Example,
    address: SocketAddr,
    control: SocketAddr,
    process: Process,
    connects: Connects,
}

impl Caller {
    async fn call_until(self, stop: &AtomicBool, begun: oneshot::Sender<()>) -> Record {
        let mut record = Record::default();
        let (mut times, mut control) = (Vec::new(), Vec::new());
        let (mut kept, mut kept_control) = (None, None);
        let mut begun = Some(begun);
        while !stop.load(Ordering::Relaxed) {
            record.calls += 1;
            if self.connects == Connects::Often && record.calls.is_multiple_of(FRESH_EACH) {
                kept = None;
                kept_control = None;
            }
            let (is_fresh, overflows) = (kept.is_none(), self.process.overflows());
            match call(self.example, self.address, &mut kept, record.calls).await {
                // The kernel, not the server, delayed this one by a second or more.
                Ok(_) if is_fresh && self.process.overflows() > overflows => {}
                Ok(time) => times.push(time),
                Err(failure) => record.failures.push(failure),
            }
            // How a busy machine affects all clients.
            control.extend(call(&Example::QUICKSTART, self.control, &mut kept_control, 1).await);
            record.peak = record.peak.max(self.process.memory().unwrap_or_default());
            if let Some(begun) = begun.take() {
                let _ = begun.send(());
            }
            tokio::time::sleep(REST).await;
        }
        record.times = times.into();
        record.control = control.into();
        record
    }
}

/// Calls over the kept connection or a new one, and returns how long the answer took. The time that the
/// kernel takes to connect does not count; a server that accepts late answers late.
async fn call(
    example: &Example,
    address: SocketAddr,
    kept: &mut Option<Wire>,
    number: usize,
) -> Result<Duration, String> {
    let mut wire = match kept.take() {
        Some(wire) => wire,
        None => Wire::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?,
    };
    let start = Instant::now();
    match wire.exchange(&usual_call(example, address, number), Until::End).await {
        Ok(response) if response.status == 200 && response.text().contains(example.answer) => {
            *kept = Some(wire);
            Ok(start.elapsed())
        }
        Ok(response) => Err(format!("{} {}", response.status, response.text())),
        Err(trouble) => Err(format!("{trouble:?}")),
    }
}
