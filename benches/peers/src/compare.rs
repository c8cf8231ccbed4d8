//! The comparison. In each round every server runs every workload, so that other activity of the
//! machine affects all servers alike.

use std::io;

use serde::Serialize;

use crate::{
    cell::{self, Conditions, Sample},
    peers::Peer,
    workload::Workload,
};

pub(crate) struct Plan {
    pub(crate) peers: Vec<Peer>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) rounds: usize,
    pub(crate) conditions: Conditions,
}

/// A workload with a number of connections, measured with every server.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) workload: String,
    pub(crate) connections: usize,
    pub(crate) servers: Vec<Measured>,
}

#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) server: &'static str,
    pub(crate) median: Sample,
    rounds: Vec<Sample>,
}

pub(crate) fn run(plan: &Plan) -> io::Result<Vec<Row>> {
    let cells: Vec<_> = plan
        .workloads
        .iter()
        .flat_map(|workload| workload.connections.iter().map(move |&count| (workload, count)))
        .collect();
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
            servers: plan.peers.iter().zip(samples).map(measured).collect(),
        })
        .collect())
}

fn measured((peer, rounds): (&Peer, Vec<Sample>)) -> Measured {
    let of = |member: fn(&Sample) -> f64| median(rounds.iter().map(member).collect());
    Measured {
        server: peer.name(),
        median: Sample {
            cpu_us: of(|sample| sample.cpu_us),
            kernel_us: of(|sample| sample.kernel_us),
            requests_per_second: of(|sample| sample.requests_per_second),
            p50_us: of(|sample| sample.p50_us),
            p99_us: of(|sample| sample.p99_us),
            peak_kib: of(|sample| sample.peak_kib),
            load_cpu_us: of(|sample| sample.load_cpu_us),
            others_percent: of(|sample| sample.others_percent),
            round_trip_ns: of(|sample| sample.round_trip_ns),
        },
        rounds,
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
