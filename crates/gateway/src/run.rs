//! The work of the program, from its options to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::serve::{self, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::config::{Config, Settings};
use crate::error::{Error, Kind};
use crate::gateway::Gateway;
use crate::managers::Managers;
use crate::names;
use crate::options::Options;
use crate::report::{self, Table};
use crate::servers::Server;
use crate::text::shown;

/// Completes when the gateway receives a signal to stop.
type Signals = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long the start waits for a server's answer. Slower servers are asked in the background.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long calls in flight may take to complete at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway got a signal to stop, or all checked servers are up.
    Success,
    /// A checked server is down, or a signal to stop arrived before all had answered.
    Down,
}

/// Serves or checks the servers of the configuration until a signal arrives (`SIGINT` or `SIGTERM`,
/// which are caught from the first poll on). Prints the servers' answers to standard output, and
/// warnings to standard error. Ends all children before it returns. Requires a Tokio runtime.
///
/// # Errors
/// Returns an error if the configuration or an option cannot be used, if names of tools collide, or if the
/// address cannot be bound.
pub async fn run(options: Options) -> Result<Outcome, Error> {
    let signals = serve::signals().map_err(Kind::Signals)?;
    let config = Config::read(&options.config).map_err(Kind::from)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    if config.gateway.auth.is_some() && options.caller_header.is_some() {
        eprintln!("warning: --caller-header has no effect: callers are told apart by their tokens");
    }
    let mut servers = Vec::new();
    for server in config.servers {
        match Server::new(server) {
            Ok(server) => servers.push(Arc::new(server)),
            // The error names the address.
            Err(error) => eprintln!("warning: {error}; the server is left out"),
        }
    }
    if servers.is_empty() {
        return Err(Kind::NoServers.into());
    }
    let outcome = work(&options, &config.gateway, &servers, Box::pin(signals)).await;
    // Ends all children in every case.
    let closing = servers.into_iter().map(|server| async move { server.upstream.shut_down().await });
    closing.collect::<JoinSet<_>>().join_all().await;
    Ok(outcome?)
}

async fn work(
    options: &Options,
    settings: &Settings,
    servers: &[Arc<Server>],
    mut signals: Signals,
) -> Result<Outcome, Kind> {
    // Before any server is started, so that errors are reported immediately.
    let managers = Managers::new(options, settings)?;
    let listener = if options.check { None } else { Some(listen(&options.addr).await?) };
    // A check waits as long as each server's own limits allow.
    let limit = if options.check { Duration::MAX } else { START_LIMIT };
    let findings = tokio::select! {
        findings = report::ask_all(servers, limit) => findings,
        () = &mut signals => return Ok(Outcome::Down),
    };
    print!("{}", Table::new(servers, &findings));
    let tools = names::of_tools(servers, &findings)?;
    let is_all_up = findings.iter().all(|it| it.as_ref().is_ok_and(|info| info.failed_lists.is_empty()));
    for (server, finding) in servers.iter().zip(findings) {
        if let Ok(info) = finding {
            server.found(info);
        }
    }
    let gateway = Arc::new(Gateway::new(servers, options, settings, managers)?);
    let Some(listener) = listener else {
        println!();
        for tool in &tools {
            println!("{}", shown(tool));
        }
        return Ok(if is_all_up { Outcome::Success } else { Outcome::Down });
    };
    // They end with this function.
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
    serve_on(listener, gateway, signals).await?;
    Ok(Outcome::Success)
}

async fn listen(address: &str) -> Result<TcpListener, Kind> {
    let refused = |source| Kind::Listen { address: address.to_owned(), source };
    TcpListener::bind(address).await.map_err(refused)
}

async fn serve_on(listener: TcpListener, gateway: Arc<Gateway>, signals: Signals) -> Result<(), Kind> {
    let address = listener.local_addr().map_err(Kind::Address)?;
    println!("listening on http://{address}/mcp");
    serve(listener, gateway.router())
        .shutdown_on(signals)
        .drain(gateway.manager())
        .drain_timeout(DRAIN_LIMIT)
        .await;
    Ok(())
}
