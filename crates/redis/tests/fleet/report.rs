//! The figures of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::client::Loss;

/// The figures of a run, which all clients share.
#[derive(Clone)]
pub(crate) struct Report(Arc<Mutex<Figures>>);

struct Figures {
    start: Instant,
    /// The number of requests, including repeated ones, by purpose.
    requests: BTreeMap<&'static str, usize>,
    /// When replicas were killed.
    kills: Vec<Kill>,
    /// The times at which Redis became unavailable and available.
    absences: Vec<(Instant, Option<Instant>)>,
    /// The number of requests that were lost because their replica was killed.
    lost: usize,
    /// The longest time from the death of a replica until a client noticed the loss.
    longest_until_lost: Duration,
    /// The number of requests that got 503 with `Retry-After`.
    postponed: usize,
    /// Unexpected events.
    faults: Vec<String>,
    /// The number of requests that were lost this many times in a row, by that number and their purpose.
    losses: BTreeMap<(usize, &'static str), usize>,
    /// The longest time of one request including all attempts, and its purpose.
    longest: (Duration, &'static str),
    /// How often a task was continued by another replica.
    moved: usize,
    /// The times between the death of a replica and the takeover of its task by another one.
    taken_over: Vec<Duration>,
    tasks: BTreeMap<&'static str, usize>,
    changes: usize,
    longest_until_heard: Duration,
}

struct Kill {
    process: u32,
    port: u16,
    start: Instant,
    dead: Option<Instant>,
}

impl Kill {
    /// Returns whether a request that was in flight since then was lost with this replica.
    fn explains(&self, since: Instant, loss: &Loss) -> bool {
        let is_near = |dead: Instant| dead + UNNOTICED >= since && dead + NOTICED >= loss.at;
        loss.replica == Some(self.port) && self.start <= loss.at && self.dead.is_none_or(is_near)
    }
}

/// For how long nginx may send requests to a dead replica, on an old connection.
const UNNOTICED: Duration = Duration::from_millis(100);
/// For how long after a replica's death a client may notice that a request is lost.
const NOTICED: Duration = Duration::from_millis(250);
/// For how long after Redis is back requests may still be refused.
const RECOVERY: Duration = Duration::from_secs(3);

impl Report {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Figures {
            start: Instant::now(),
            requests: BTreeMap::new(),
            kills: Vec::new(),
            absences: Vec::new(),
            lost: 0,
            longest_until_lost: Duration::ZERO,
            postponed: 0,
            faults: Vec::new(),
            losses: BTreeMap::new(),
            longest: (Duration::ZERO, "none"),
            moved: 0,
            taken_over: Vec::new(),
            tasks: BTreeMap::new(),
            changes: 0,
            longest_until_heard: Duration::ZERO,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().expect("no holder panics")
    }

    pub(crate) fn request(&self, what: &'static str) {
        *self.lock().requests.entry(what).or_default() += 1;
    }

    pub(crate) fn killing(&self, process: u32, port: u16) {
        self.lock().kills.push(Kill { process, port, start: Instant::now(), dead: None });
    }

    pub(crate) fn killed(&self) {
        if let Some(kill) = self.lock().kills.last_mut() {
            kill.dead = Some(Instant::now());
        }
    }

    pub(crate) fn redis_leaves(&self) {
        self.lock().absences.push((Instant::now(), None));
    }

    pub(crate) fn redis_returns(&self) {
        if let Some((_, end)) = self.lock().absences.last_mut() {
            *end = Some(Instant::now());
        }
    }

    /// Records that a request was lost, which is only allowed together with its replica.
    pub(crate) fn lost(&self, what: &str, since: Instant, loss: &Loss) {
        let mut figures = self.lock();
        let Some(kill) = figures.kills.iter().find(|kill| kill.explains(since, loss)) else {
            let at = |time: Instant| time.duration_since(figures.start);
            let kills = figures.kills.iter().filter(|kill| loss.replica == Some(kill.port));
            let kills: Vec<_> = kills.map(|kill| at(kill.start)).collect();
            let fault = format!(
                "{what} was lost from {:?} to {:?}, and not with its replica, which was killed at {kills:?}: {}",
                at(since),
                at(loss.at),
                loss.why,
            );
            figures.faults.push(fault);
            return;
        };
        let after = kill.dead.map(|dead| loss.at.saturating_duration_since(dead)).unwrap_or_default();
        figures.lost += 1;
        figures.longest_until_lost = figures.longest_until_lost.max(after);
    }

    /// Records that a request got 503, which is only allowed while Redis is unavailable.
    pub(crate) fn postponed(&self, what: &str, since: Instant, why: &str) {
        let mut figures = self.lock();
        let is_explained = figures
            .absences
            .iter()
            .any(|(from, to)| *from <= Instant::now() && to.is_none_or(|to| to + RECOVERY >= since));
        if is_explained {
            figures.postponed += 1;
        } else {
            let at = figures.start.elapsed();
            figures.faults.push(format!("{at:?}: {what} was refused, and Redis was there: {why}"));
        }
    }

    pub(crate) fn fault(&self, fault: &str) {
        let mut figures = self.lock();
        let at = figures.start.elapsed();
        figures.faults.push(format!("{at:?}: {fault}"));
    }

    /// Records that a request has succeeded, after how many losses and how much time.
    pub(crate) fn succeeded(&self, what: &'static str, losses: usize, took: Duration) {
        let mut figures = self.lock();
        if losses > 0 {
            *figures.losses.entry((losses, what)).or_default() += 1;
        }
        figures.longest = figures.longest.max((took, what));
    }

    /// Records that another replica than this process has continued a task.
    pub(crate) fn moved(&self, from: &str) {
        let mut figures = self.lock();
        figures.moved += 1;
        let kill = figures.kills.iter().find(|kill| from.ends_with(&format!(" {}", kill.process)));
        let after = kill.map(|kill| kill.start.elapsed());
        figures.taken_over.extend(after);
    }

    pub(crate) fn task(&self, end: &'static str) {
        *self.lock().tasks.entry(end).or_default() += 1;
    }

    pub(crate) fn heard(&self, after: Duration) {
        let mut figures = self.lock();
        figures.changes += 1;
        figures.longest_until_heard = figures.longest_until_heard.max(after);
    }

    pub(crate) fn tasks_ended(&self) -> usize {
        self.lock().tasks.values().sum()
    }

    /// Returns how often a task was continued by another replica.
    pub(crate) fn moves(&self) -> usize {
        self.lock().moved
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.lock().start.elapsed().as_secs()
    }

    /// Returns how many requests were sent again.
    pub(crate) fn retried(&self) -> usize {
        let figures = self.lock();
        figures.lost + figures.postponed
    }

    pub(crate) fn kills(&self) -> usize {
        self.lock().kills.len()
    }

    /// Asserts that nothing unexpected has happened.
    pub(crate) fn assert_faultless(&self, log: impl FnOnce() -> String) {
        let figures = self.lock();
        let faults = &figures.faults;
        assert!(
            faults.is_empty(),
            "{} faults, such as {:#?}\n{self_}\n{}",
            faults.len(),
            &faults[..faults.len().min(20)],
            log(),
            self_ = *figures,
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(formatter)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |formatter: &mut fmt::Formatter<'_>, name: &str, value: String| {
            writeln!(formatter, "| {name} | {value} |")
        };
        writeln!(formatter, "| | |\n|---|--:|")?;
        line(formatter, "seconds", format!("{:.0}", self.start.elapsed().as_secs_f64()))?;
        line(formatter, "replicas killed", self.kills.len().to_string())?;
        line(formatter, "requests", self.requests.values().sum::<usize>().to_string())?;
        for (what, count) in &self.requests {
            line(formatter, &format!("· {what}"), count.to_string())?;
        }
        line(formatter, "lost with the replica that had them, and sent again", self.lost.to_string())?;
        let (once, more): (Vec<_>, Vec<_>) = self.losses.iter().partition(|((times, _), _)| *times == 1);
        let once: usize = once.into_iter().map(|(_, count)| count).sum();
        line(formatter, "· succeeded when sent once more", once.to_string())?;
        for ((times, what), count) in more {
            let name = format!("· succeeded when sent {times} times more ({what})");
            line(formatter, &name, count.to_string())?;
        }
        let longest = format!("{:.3}", self.longest_until_lost.as_secs_f64());
        line(formatter, "· noticed after the death of their replica, at most, s", longest)?;
        line(formatter, "refused while Redis was away, and sent again", self.postponed.to_string())?;
        line(formatter, "failed otherwise", self.faults.len().to_string())?;
        let (longest, what) = self.longest;
        let longest = format!("{:.1}", longest.as_secs_f64());
        line(formatter, &format!("longest request with all its tries, s ({what})"), longest)?;
        for (end, count) in &self.tasks {
            line(formatter, &format!("tasks {end}"), count.to_string())?;
        }
        line(formatter, "tasks seen to go on with another replica", self.moved.to_string())?;
        let mut taken = self.taken_over.clone();
        taken.sort();
        if let (Some(median), Some(last)) = (taken.get(taken.len() / 2), taken.last()) {
            line(
                formatter,
                "· after the death of their replica, median, s",
                format!("{:.1}", median.as_secs_f64()),
            )?;
            line(
                formatter,
                "· after the death of their replica, at most, s",
                format!("{:.1}", last.as_secs_f64()),
            )?;
        }
        line(formatter, "changes heard", self.changes.to_string())?;
        line(formatter, "· at most after, s", format!("{:.1}", self.longest_until_heard.as_secs_f64()))
    }
}
