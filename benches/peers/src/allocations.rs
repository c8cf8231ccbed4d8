//! Counts heap allocations per request, including those of hyper.

use std::{io, time::Duration};

use crate::{cell, load::Until, peers::Peer, process::Cores, workload::Workload};

/// Enough requests for buffers to reach their final size.
const WARM_UP: u64 = 200;
const REQUESTS: u64 = 2000;
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(peers: &[Peer], workloads: &[Workload], cores: Cores) -> io::Result<()> {
    if cfg!(not(feature = "count-allocations")) {
        return Err(io::Error::other("allocations are counted with `--features count-allocations` only"));
    }
    println!("| workload | server | allocations per request | bytes per request |");
    println!("|---|---|--:|--:|");
    for workload in workloads {
        for peer in peers {
            let (count, bytes) = measure(peer, workload, cores)?;
            println!("| {} | {} | {count:.1} | {bytes:.0} |", workload.title(), peer.name());
        }
    }
    Ok(())
}

/// Measures one connection, without overlapping requests.
#[expect(clippy::cast_precision_loss)]
fn measure(peer: &Peer, workload: &Workload, cores: Cores) -> io::Result<(f64, f64)> {
    let mut server = peer.start(workload.setting(), cores)?;
    let mut load = cell::connect(&server, workload, 1)?;
    load.run(Until::Replies(WARM_UP, LIMIT))?;
    let before = server.allocations()?;
    let run = load.run(Until::Replies(REQUESTS, LIMIT))?;
    let after = server.allocations()?;
    let each = |before: u64, after: u64| (after - before) as f64 / run.replies as f64;
    Ok((each(before.0, after.0), each(before.1, after.1)))
}
