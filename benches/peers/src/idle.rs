//! Measures the memory of keep-alive connections that are idle or have a call in flight.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    cell,
    era::Era,
    load::Load,
    peers::Peer,
    process::{self, Cores, Server},
    workload::{self, Workload},
};

/// The state of the connections while the memory is measured.
#[derive(Clone, Copy)]
pub(crate) enum State {
    /// Each has had one request, like those of clients that pause.
    Idle,
    /// Each has sent a call whose tool waits.
    InFlight,
}

/// Longer than the measurement takes.
const WAIT_MS: u64 = 600_000;

pub(crate) fn run(peers: &[Peer], connections: usize, state: State, cores: Cores) -> io::Result<()> {
    process::needs_connections(connections + 1)?;
    let title = match state {
        State::Idle => "idle",
        State::InFlight => "with a call in flight",
    };
    println!("| server | KiB with 1 connection | KiB with {connections} {title} | KiB each |");
    println!("|---|--:|--:|--:|");
    peers.iter().try_for_each(|peer| line(peer, connections, state, cores))
}

#[expect(clippy::cast_precision_loss)]
fn line(peer: &Peer, connections: usize, state: State, cores: Cores) -> io::Result<()> {
    let (first, workload) = match state {
        State::Idle => (workload::add(Era::Modern), workload::add(Era::Modern)),
        State::InFlight => (workload::wait(Era::Modern, 0), workload::wait(Era::Modern, WAIT_MS)),
    };
    let server = peer.start(workload.setting(), cores)?;
    let first = cell::connect(&server, &first, 1)?;
    let one = server.resident()?;
    let load = open(&server, &workload, connections, state)?;
    let all = server.resident()?;
    drop((first, load));
    let each = all.saturating_sub(one) as f64 / connections as f64;
    println!("| {} | {one} | {all} | {each:.2} |", peer.name());
    Ok(())
}

fn open(server: &Server, workload: &Workload, connections: usize, state: State) -> io::Result<Load> {
    let mut load = Load::connect(server.addr(), workload.http, &[workload.request()], connections)?;
    match state {
        State::Idle => load.each_once()?,
        State::InFlight => {
            load.start()?;
            wait_until_still(server)?;
            if !load.is_silent()? {
                return Err(io::Error::other("a call whose tool should wait has been answered"));
            }
        }
    }
    Ok(load)
}

/// Returns when the server uses no more CPU time, and so has started every call.
fn wait_until_still(server: &Server) -> io::Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    const LIMIT: Duration = Duration::from_secs(60);
    const STILL: Duration = Duration::from_millis(1);
    let start = Instant::now();
    let mut before = server.cpu()?;
    while start.elapsed() < LIMIT {
        thread::sleep(LOOK);
        let now = server.cpu()?;
        if now.saturating_sub(before) < STILL {
            return Ok(());
        }
        before = now;
    }
    Err(io::Error::other("the server does not become idle"))
}
