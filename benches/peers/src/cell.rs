//! One measurement: a server, a workload, a number of connections.

use std::{io, time::Duration};

use serde::Serialize;

use crate::{
    distance,
    load::{Load, Run, Until},
    peers::Peer,
    process::{self, Cores, Server},
    workload::Workload,
};

/// The result of one short run.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// CPU time of the server per request, in microseconds.
    pub(crate) cpu_us: f64,
    /// The part of it that was spent in user space, by the kernel's ticks.
    pub(crate) user_us: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// The peak resident memory of the server.
    pub(crate) peak_kib: f64,
    /// CPU time of the load per request, without waiting. It must be well below the server's;
    /// otherwise the load is the bottleneck.
    pub(crate) load_cpu_us: f64,
    /// The part of the two cores that other processes used. With more than a few percent, the
    /// machine was not quiet enough.
    pub(crate) others_percent: f64,
    /// The round-trip time between the two cores.
    pub(crate) round_trip_ns: f64,
}

/// The conditions of the measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    pub(crate) cores: Cores,
    /// The minimum round-trip time between the two cores.
    pub(crate) nearest_ns: f64,
}

/// A window is measured again if other processes used more of the two cores.
const ELSEWHERE_PERCENT: f64 = 4.0;
/// A window is measured again if the cores were farther apart than this multiple of the minimum,
/// before or after it.
const FARTHER: f64 = 2.5;
/// After this many windows, the least disturbed one counts.
const WINDOWS: usize = 6;
/// How often a window is delayed because the cores are far apart.
const WAITS: usize = 10;
const WAIT: Duration = Duration::from_millis(100);

/// The number of replies that each connection has in a window. Servers may answer thousands of
/// connections in bursts.
const TURNS: u64 = 4;

impl Conditions {
    /// Returns at most 1 if the machine was quiet and the cores were near each other.
    fn disturbance(&self, sample: &Sample) -> f64 {
        let distance = sample.round_trip_ns / (self.nearest_ns * FARTHER);
        distance.max(sample.others_percent / ELSEWHERE_PERCENT)
    }

    /// Continues the load until the cores are near each other. Returns their distance.
    fn wait(&self, load: &mut Load) -> io::Result<f64> {
        let mut distance = distance::round_trip_ns(self.cores)?;
        for _ in 0..WAITS {
            if distance < self.nearest_ns * FARTHER {
                break;
            }
            load.run(Until::Elapsed(WAIT))?;
            distance = distance::round_trip_ns(self.cores)?;
        }
        Ok(distance)
    }
}

/// Measures in a new process, so that the heap and the memory layout that an earlier workload left
/// behind have no effect.
pub(crate) fn measure(
    peer: &Peer,
    workload: &Workload,
    connections: usize,
    conditions: &Conditions,
) -> io::Result<Sample> {
    let server = peer.start(workload.setting(), conditions.cores)?;
    let mut load = connect(&server, workload, connections)?;
    load.run(Until::Elapsed(conditions.warm_up * peer.warm_up_factor()))?;
    let mut best = window(&server, &mut load, conditions)?;
    for _ in 1..WINDOWS {
        if conditions.disturbance(&best) <= 1.0 {
            break;
        }
        let next = window(&server, &mut load, conditions)?;
        if conditions.disturbance(&next) < conditions.disturbance(&best) {
            best = next;
        }
    }
    Ok(best)
}

fn window(server: &Server, load: &mut Load, conditions: &Conditions) -> io::Result<Sample> {
    let distance_before = conditions.wait(load)?;
    let before = Spent::until_now(server, conditions.cores)?;
    let run = load.run(Until::ElapsedWith(conditions.window, load.in_flight() * TURNS))?;
    let spent = Spent::until_now(server, conditions.cores)?.since(&before);
    let distance_after = distance::round_trip_ns(conditions.cores)?;
    sample(run, &spent, server.peak_resident()?, distance_before.max(distance_after))
}

/// CPU time that was used.
struct Spent {
    server: Duration,
    /// The same, less precisely, in user space and in the kernel.
    user: Duration,
    system: Duration,
    load: Duration,
    /// On the two cores, by all processes.
    busy: Duration,
}

impl Spent {
    fn until_now(server: &Server, cores: Cores) -> io::Result<Self> {
        let (user, system) = server.user_and_system()?;
        Ok(Self {
            server: server.cpu()?,
            user,
            system,
            load: process::own_cpu()?,
            busy: process::busy(cores)?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            load: self.load.saturating_sub(before.load),
            busy: self.busy.saturating_sub(before.busy),
        }
    }

    /// Returns the share of the server's time in user space, which the finer clock does not provide.
    fn user_share(&self) -> f64 {
        self.user.as_secs_f64() / (self.user + self.system).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn others(&self) -> Duration {
        self.busy.saturating_sub(self.server + self.load)
    }
}

/// Connects, and checks the first reply against the workload's expectation.
pub(crate) fn connect(server: &Server, workload: &Workload, connections: usize) -> io::Result<Load> {
    let mut load = Load::connect(server.addr(), workload.http, &[workload.request()], connections)?;
    let reply = load.probe()?;
    workload
        .expectation
        .check(&reply)
        .map_err(|error| io::Error::other(format!("{}: {error}", workload.title())))?;
    Ok(load)
}

#[expect(clippy::cast_precision_loss)]
fn sample(mut run: Run, spent: &Spent, peak_kib: u64, round_trip_ns: f64) -> io::Result<Sample> {
    if run.replies == 0 {
        return Err(io::Error::other("no reply in the window"));
    }
    let replies = run.replies as f64;
    run.latencies.sort_unstable();
    let quantile = |percent: usize| {
        let index = (run.latencies.len() * percent / 100).min(run.latencies.len() - 1);
        f64::from(run.latencies[index]) / 1000.0
    };
    let each_us = |time: Duration| time.as_secs_f64() * 1e6 / replies;
    Ok(Sample {
        cpu_us: rounded(each_us(spent.server)),
        user_us: rounded(each_us(spent.server) * spent.user_share()),
        requests_per_second: rounded(replies / run.elapsed.as_secs_f64()),
        p50_us: rounded(quantile(50)),
        p99_us: rounded(quantile(99)),
        peak_kib: peak_kib as f64,
        load_cpu_us: rounded(each_us(spent.load.saturating_sub(run.idle))),
        others_percent: rounded(spent.others().as_secs_f64() / run.elapsed.as_secs_f64() * 50.0),
        round_trip_ns: rounded(round_trip_ns),
    })
}

/// Rounds to a useful precision.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
