//! Memory of idle keep-alive connections.

use std::io;

use crate::{
    era::Era,
    load::Load,
    peers::Peer,
    process::{self, Cores},
    workload,
};

/// Each connection has had one request, as those of clients that pause have.
#[expect(clippy::cast_precision_loss)]
pub(crate) fn run(peers: &[Peer], connections: usize, cores: Cores) -> io::Result<()> {
    process::raise_open_files()?;
    let workload = workload::add(Era::Modern);
    println!("| server | KiB with 1 connection | KiB with {connections} idle | KiB each |");
    println!("|---|--:|--:|--:|");
    for peer in peers {
        let server = peer.start(workload.setting(), cores)?;
        let requests = [workload.request()];
        let mut first = Load::connect(server.addr(), &requests, 1)?;
        first.each_once()?;
        let one = server.resident()?;
        let mut idle = Load::connect(server.addr(), &requests, connections)?;
        idle.each_once()?;
        let all = server.resident()?;
        let each = all.saturating_sub(one) as f64 / connections as f64;
        println!("| {} | {one} | {all} | {each:.2} |", peer.name());
    }
    Ok(())
}
