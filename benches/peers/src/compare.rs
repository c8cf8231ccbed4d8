//! The comparison. In each round every server runs every workload, so that other activity of the
//! machine affects all servers alike.

use std::io;

use serde::Serialize;

use crate::{
    cell::{self, Conditions, Sample},
    peers::Peer,
    process,
    workload::Workload,
};

pub(crate) struct Plan {
    pub(crate) peers: Vec<Peer>,
    pub(crate) workloads: Vec<Workload>,
    /// The numbers of connections to measure with; empty for all.
    pub(crate) connections: Vec<usize>,
    pub(crate) rounds: usize,
    pub(crate) conditions: Conditions,
}

/// A workload with a number of connections, measured with every server that speaks its
/// version of HTTP.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) workload: String,
    pub(crate) connections: usize,
    /// The number of requests in flight on each connection.
    pub(crate) streams: usize,
    pub(crate) servers: Vec<Measured>,
}

impl Row {
    pub(crate) fn server(&self, name: &str) -> Option<&Measured> {
        self.servers.iter().find(|measured| measured.server == name)
    }
}

#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) server: &'static str,
    /// The medians of the rounds, except for the time in user space: a round has too few of the
    /// kernel's ticks, so its share of CPU time is the mean of all rounds.
    pub(crate) median: Sample,
    /// The standard error of the time in user space. There is none after a single round.
    pub(crate) user_error_us: Option<f64>,
    rounds: Vec<Sample>,
}

pub(crate) fn run(plan: &Plan) -> io::Result<Vec<Row>> {
    let cells = cells(plan)?;
    let mut samples = vec![vec![Vec::new(); plan.peers.len()]; cells.len()];
    for round in 0..plan.rounds {
        for (cell, &(workload, connections)) in cells.iter().enumerate() {
            eprintln!(
                "round {} of {}: {}, {connections} connections",
                round + 1,
                plan.rounds,
                workload.title()
            );
            for turn in 0..plan.peers.len() {
                // The order rotates, so that no server is always first.
                let index = (turn + round) % plan.peers.len();
                let peer = &plan.peers[index];
                if !peer.speaks(workload.http) {
                    continue;
                }
                let sample =
                    cell::measure(peer, workload, connections, &plan.conditions).map_err(|error| {
                        io::Error::other(format!("{}, {}: {error}", peer.name(), workload.title()))
                    })?;
                samples[cell][index].push(sample);
            }
        }
    }
    Ok(cells
        .into_iter()
        .zip(samples)
        .map(|((workload, connections), samples)| Row {
            group: workload.group,
            workload: workload.title(),
            connections,
            streams: workload.http.streams(),
            servers: plan.peers.iter().zip(samples).filter_map(measured).collect(),
        })
        .collect())
}

/// Returns every workload with each number of connections, except for those beyond the limit of
/// open files.
fn cells(plan: &Plan) -> io::Result<Vec<(&Workload, usize)>> {
    let most = process::most_connections()?;
    let all = plan
        .workloads
        .iter()
        .flat_map(|workload| workload.connections.iter().map(move |&connections| (workload, connections)))
        .filter(|(_, connections)| plan.connections.is_empty() || plan.connections.contains(connections));
    let (cells, too_many): (Vec<_>, Vec<_>) = all.partition(|&(_, connections)| connections <= most);
    for (workload, connections) in too_many {
        eprintln!(
            "left out: {} with {connections} connections, of which the limit of open files (`ulimit -Hn`) \
             allows {most}",
            workload.title()
        );
    }
    if cells.is_empty() {
        return Err(io::Error::other("no workload has such a number of connections"));
    }
    Ok(cells)
}

/// Returns `None` if the server was not measured.
fn measured((peer, rounds): (&Peer, Vec<Sample>)) -> Option<Measured> {
    if rounds.is_empty() {
        return None;
    }
    let of = |member: fn(&Sample) -> f64| median(rounds.iter().map(member).collect());
    let cpu_us = of(|sample| sample.cpu_us);
    let share = UserShare::of(&rounds);
    Some(Measured {
        server: peer.name(),
        median: Sample {
            cpu_us,
            user_us: cell::rounded(cpu_us * share.mean),
            requests_per_second: of(|sample| sample.requests_per_second),
            p50_us: of(|sample| sample.p50_us),
            p99_us: of(|sample| sample.p99_us),
            peak_kib: of(|sample| sample.peak_kib),
            load_cpu_us: of(|sample| sample.load_cpu_us),
            others_percent: of(|sample| sample.others_percent),
            round_trip_ns: of(|sample| sample.round_trip_ns),
        },
        user_error_us: share.standard_error.map(|error| cell::rounded(cpu_us * error)),
        rounds,
    })
}

/// The share of CPU time that was spent in user space.
struct UserShare {
    mean: f64,
    /// `None` after a single round.
    standard_error: Option<f64>,
}

impl UserShare {
    /// Rounds have windows of the same length, and so the same weight.
    #[expect(clippy::cast_precision_loss, reason = "a handful of rounds")]
    fn of(rounds: &[Sample]) -> Self {
        let shares = || rounds.iter().map(|round| round.user_us / round.cpu_us);
        let count = rounds.len() as f64;
        let mean = shares().sum::<f64>() / count;
        let squares: f64 = shares().map(|share| (share - mean).powi(2)).sum();
        let standard_error = (rounds.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
        Self { mean, standard_error }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    #[expect(clippy::float_cmp, reason = "the values are exact")]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}
