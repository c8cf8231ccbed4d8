//! The CPU time that a process used in a window of load.

use std::{io, time::Duration};

use nix::{time::ClockId, unistd::Pid};

use crate::process;

/// The number and length of measurements.
pub(crate) struct Times {
    pub(crate) rounds: usize,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
}

/// The CPU time of a process.
pub(crate) struct Spent {
    all: Duration,
    /// The user time, as counted by the kernel's ticks.
    user: Duration,
    system: Duration,
}

/// CPU time of each of many requests, in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) all: f64,
    /// The part of it in user space.
    pub(crate) user: f64,
}

/// Latencies in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Spent {
    pub(crate) fn until_now(process: Pid) -> io::Result<Self> {
        let (user, system) = process::user_and_system(process)?;
        Ok(Self { all: ClockId::pid_cpu_clock_id(process)?.now()?.into(), user, system })
    }

    /// Returns what each of `count` requests has taken since `before`.
    pub(crate) fn each_since(&self, before: &Self, count: f64) -> Cpu {
        let all = self.all.saturating_sub(before.all).as_secs_f64() * 1e6 / count;
        let user = self.user.saturating_sub(before.user).as_secs_f64();
        let ticks = user + self.system.saturating_sub(before.system).as_secs_f64();
        Cpu { all, user: all * user / ticks.max(f64::MIN_POSITIVE) }
    }
}

impl Latency {
    /// Summarises latencies in nanoseconds.
    pub(crate) fn of(mut latencies: Vec<u32>) -> io::Result<Self> {
        latencies.sort_unstable();
        let quantile = |percent: usize| latencies.get(latencies.len() * percent / 100);
        let (Some(&p50), Some(&p99)) = (quantile(50), quantile(99)) else {
            return Err(io::Error::other("no reply in the window"));
        };
        Ok(Self { p50: f64::from(p50) / 1000.0, p99: f64::from(p99) / 1000.0 })
    }
}
