//! One endpoint without sessions in front of servers that need them: those of the
//! `mcpServers` JSON that editors and desktop clients read.
//!
//! `cargo run --example gateway --features serve,upstream -- CONFIG.json` serves all of them at
//! `/mcp`, their tools and prompts named `{server}-{name}`, and each alone at
//! `/mcp/{server}`. With `--check` it only tells what they answer; `--help` tells the rest.
//! A server that is down at the start is asked again until it comes.

use std::io::IsTerminal as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::serve::{self, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

mod caller;
mod config;
mod entry;
mod fields;
mod managers;
mod mounts;
mod options;
mod plain;
mod report;
mod rules;
mod servers;

use crate::config::Config;
use crate::mounts::Gateway;
use crate::options::{Action, Command, HELP, Options};
use crate::report::Table;
use crate::servers::Server;

type Error = Box<dyn std::error::Error>;
/// Ends when the gateway is told to stop.
type Signals = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long the start waits for a server's answer. One that takes longer is asked on.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long calls under way may take to come to their end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

const DOWN: u8 = 1;
const WRONG: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let signals = serve::signals();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,gateway=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let ended = match signals {
        Ok(signals) => run(Box::pin(signals)).await,
        Err(error) => Err(error.into()),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(WRONG)
    })
}

async fn run(signals: Signals) -> Result<ExitCode, Error> {
    let options = match Command::parse(std::env::args().skip(1))? {
        Command::Run(options) => options,
        Command::Help => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Command::Version => {
            println!("gateway {}", env!("CARGO_PKG_VERSION"));
            return Ok(ExitCode::SUCCESS);
        }
    };
    let config = Config::read(&options.config)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    let mut servers = Vec::new();
    for server in config.servers {
        match Server::new(server) {
            Ok(server) => servers.push(Arc::new(server)),
            // The error names it.
            Err(error) => eprintln!("warning: {error}; the server is left out"),
        }
    }
    if servers.is_empty() {
        return Err("no server is left".into());
    }
    let ended = work(&options, &servers, signals).await;
    // However it has ended, no child is left behind.
    let closing = servers.into_iter().map(|server| async move { server.upstream.shut_down().await });
    closing.collect::<JoinSet<_>>().join_all().await;
    ended
}

async fn work(options: &Options, servers: &[Arc<Server>], mut signals: Signals) -> Result<ExitCode, Error> {
    let limit = match options.action {
        // The limits of each server decide.
        Action::Check => Duration::MAX,
        Action::Serve => START_LIMIT,
    };
    let findings = tokio::select! {
        findings = report::ask_all(servers, limit) => findings,
        () = &mut signals => return Ok(ExitCode::from(DOWN)),
    };
    print!("{}", Table::new(servers, &findings));
    let tools = servers::tool_names(servers, &findings)?;
    let is_all_up = findings.iter().all(Result::is_ok);
    for (server, finding) in servers.iter().zip(findings) {
        if let Ok(info) = finding {
            server.found(info);
        }
    }
    let gateway = Arc::new(Gateway::new(servers, options)?);
    match options.action {
        Action::Check => {
            println!();
            for tool in &tools {
                println!("{}", report::shown(tool));
            }
            Ok(if is_all_up { ExitCode::SUCCESS } else { ExitCode::from(DOWN) })
        }
        Action::Serve => {
            // They end with this.
            let mut following = JoinSet::new();
            let is_up = Arc::new(Notify::new());
            for server in servers {
                let (server, is_up) = (Arc::clone(server), Arc::clone(&is_up));
                following.spawn(async move { server.follow(&is_up).await });
            }
            gateway.warm_up().await;
            following.spawn({
                let gateway = Arc::clone(&gateway);
                async move {
                    loop {
                        is_up.notified().await;
                        gateway.warm_up().await;
                    }
                }
            });
            serve_at(&options.address, gateway, signals).await
        }
    }
}

async fn serve_at(address: &str, gateway: Arc<Gateway>, signals: Signals) -> Result<ExitCode, Error> {
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let app = gateway.router();
    serve(listener, app)
        .shutdown_on(signals)
        .drain_with(move || gateway.managers())
        .drain_timeout(DRAIN_LIMIT)
        .await;
    Ok(ExitCode::SUCCESS)
}
