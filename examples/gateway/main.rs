//! One endpoint without sessions in front of servers that need them: those of the
//! `mcpServers` JSON that editors and desktop clients read.
//!
//! `cargo run --example gateway --features upstream -- CONFIG.json` serves all of them at
//! `/mcp`, their tools and prompts named `{server}-{name}`, and each alone at
//! `/mcp/{server}`. With `--check` it only tells what they answer.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

mod config;
mod fields;
mod mounts;
mod options;
mod report;
mod servers;
mod signals;

use crate::config::Config;
use crate::mounts::Mount;
use crate::options::{Action, Options};
use crate::report::Table;
use crate::servers::Server;
use crate::signals::Stop;

type Error = Box<dyn std::error::Error>;

/// How long a server may take to answer before it is said to be down. Calls try it anew.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// How long calls under way may take to come to their end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long clients may then take to read the answers.
const HANG_UP_LIMIT: Duration = Duration::from_secs(1);

const DOWN: u8 = 1;
const WRONG: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    run().await.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(WRONG)
    })
}

async fn run() -> Result<ExitCode, Error> {
    let options = Options::parse(std::env::args().skip(1))?;
    let config = Config::read(&options.config)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    let servers = config.servers.into_iter().map(Server::new).collect::<Result<Vec<_>, _>>()?;
    let ended = work(&options, &servers).await;
    // However it has ended, no child is left behind.
    let closing = servers.into_iter().map(|server| async move { server.upstream.shut_down().await });
    closing.collect::<JoinSet<_>>().join_all().await;
    ended
}

async fn work(options: &Options, servers: &[Server]) -> Result<ExitCode, Error> {
    let stop = Stop::on_signals()?;
    let findings = tokio::select! {
        findings = report::ask_all(servers, ASK_LIMIT) => findings,
        () = stop.clone().signalled() => return Ok(ExitCode::from(DOWN)),
    };
    print!("{}", Table::new(servers, &findings));
    let tools = servers::tool_names(servers, &findings)?;
    let mounts = mounts::all(servers, &findings, options)?;
    match options.action {
        Action::Check => {
            println!();
            for tool in &tools {
                println!("{}", report::shown(tool));
            }
            Ok(if findings.iter().all(Result::is_ok) { ExitCode::SUCCESS } else { ExitCode::from(DOWN) })
        }
        Action::Serve => serve(&options.address, mounts, stop).await,
    }
}

async fn serve(address: &str, mounts: Vec<Mount>, stop: Stop) -> Result<ExitCode, Error> {
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let serving =
        axum::serve(listener, mounts::router(&mounts)).with_graceful_shutdown(stop.clone().signalled());
    let stopping = async {
        stop.signalled().await;
        let closing =
            mounts.into_iter().map(|mount| async move { mount.manager.shut_down(DRAIN_LIMIT).await });
        let left: usize = closing.collect::<JoinSet<_>>().join_all().await.into_iter().sum();
        tokio::time::sleep(HANG_UP_LIMIT).await;
        left
    };
    tokio::select! {
        ended = serving => ended?,
        left = stopping => tracing::warn!(calls = left, "clients that do not hang up are left"),
    }
    Ok(ExitCode::SUCCESS)
}
