//! Compares MCP servers over Streamable HTTP: CPU, latency and memory.

mod allocations;
mod catalogue;
mod cell;
mod compare;
mod distance;
mod era;
mod expect;
mod external;
#[cfg(feature = "gateway")]
mod gateway;
mod http;
mod idle;
mod load;
mod options;
mod peers;
mod process;
mod profile;
mod report;
mod sample;
mod server;
mod soak;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(any(feature = "gateway", feature = "tasks"))]
mod window;
mod workload;

use std::{io, process::ExitCode};

use clap::{Parser as _, ValueEnum as _};

use crate::{
    idle::State,
    options::{Action, Options},
    server::Name,
};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    if let Some(Action::Serve { name, addr, setting }) = options.action {
        return server::run(name, addr, setting);
    }
    #[cfg(feature = "gateway")]
    match options.action {
        Some(Action::ServeGateway { upstream }) => return server::run_gateway(upstream),
        Some(Action::ServeUpstream { sessions }) => return server::run_upstream(sessions),
        Some(Action::ServeStdio) => return server::stdio::run(),
        _ => {}
    }
    #[cfg(feature = "tasks")]
    if let Some(Action::ServeTasks { redis }) = &options.action {
        return server::run_tasks(redis.as_deref());
    }
    let cores = options.cores;
    process::raise_open_files()?;
    process::pin(cores.client_core)?;
    match &options.action {
        Some(Action::Allocations) => {
            let servers = options.rust_peers(Name::value_variants());
            allocations::run(&servers, &options.workloads()?, cores)
        }
        Some(Action::Soak { millions }) => {
            let servers = options.rust_peers(&[Name::Ours]);
            servers.iter().try_for_each(|peer| soak::run(peer, *millions, cores))
        }
        Some(Action::Idle { connections, in_flight }) => {
            let servers = options.rust_peers(&[Name::Limit, Name::Ours]);
            let state = if *in_flight { State::InFlight } else { State::Idle };
            idle::run(&servers, *connections, state, cores)
        }
        #[cfg(feature = "gateway")]
        Some(Action::Gateway) => gateway::run(&options.times(), cores),
        #[cfg(feature = "tasks")]
        Some(Action::Tasks { redis }) => tasks::run(redis.as_deref(), &options.times(), cores),
        _ => compare(options),
    }
}

fn compare(options: &Options) -> io::Result<()> {
    let plan = options.plan()?;
    let rows = compare::run(&plan)?;
    report::print(&plan, &rows)?;
    if let Some(directory) = options.output() {
        report::write(&directory, &plan, &rows)?;
    }
    if let Some(readme) = options.readme() {
        report::write_readme(&readme, &plan, &rows)?;
    }
    Ok(())
}
