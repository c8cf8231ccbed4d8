//! Sends millions of mixed requests, to see whether memory grows.

use std::{io, time::Duration};

use crate::{
    catalogue::ToolSet,
    era::Era,
    load::{Load, Until},
    peers::Peer,
    process::Cores,
    server::Setting,
    workload,
};

const FIRST: u64 = 100_000;
const CONNECTIONS: usize = 32;
/// The slowest server makes more than 2,000 requests a second.
const SLOWEST_PER_SECOND: u64 = 2000;

pub(crate) fn run(peer: &Peer, millions: u64, cores: Cores) -> io::Result<()> {
    let total = (millions * 1_000_000).max(2 * FIRST);
    let setting = Setting { tools: ToolSet::Four, sse: false };
    let server = peer.start(setting, cores)?;
    let requests: Vec<_> = [Era::Legacy, Era::Modern]
        .into_iter()
        .flat_map(|era| {
            [
                workload::add(era),
                workload::echo(era, "echo, 1 KiB", 1024),
                workload::list(era, "tools/list, 4 tools", ToolSet::Four),
                workload::countdown(era),
            ]
        })
        .map(|workload| workload.request())
        .collect();
    let mut load = Load::connect(server.addr(), &requests, CONNECTIONS)?;
    load.run(replies(FIRST))?;
    let early = server.resident()?;
    println!("{}: {early} KiB after {FIRST} requests", peer.name());
    let mut done = FIRST;
    while done < total {
        // In parts, because a run stores all its latencies.
        done += load.run(replies((total - done).min(1_000_000)))?.replies;
        eprintln!("{}: {} KiB after {done}", peer.name(), server.resident()?);
    }
    let late = server.resident()?;
    println!(
        "{}: {late} KiB after {done} requests ({:+} KiB)",
        peer.name(),
        late.cast_signed() - early.cast_signed()
    );
    Ok(())
}

fn replies(count: u64) -> Until {
    Until::Replies(count, Duration::from_secs(60 + count / SLOWEST_PER_SECOND))
}
