//! The command line.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum as _};

use crate::{
    cell::Conditions,
    compare::Plan,
    distance,
    external::Language,
    peers::Peer,
    process::Cores,
    server::{Name, Setting},
    workload::{self, Workload},
};

/// Compares MCP servers: CPU per request, throughput, latency and memory.
#[derive(Parser)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    /// Runs one round of short runs, for a first look. The figures are not precise.
    #[arg(long)]
    quick: bool,
    /// The Rust servers, in the order of the report; by default all, for `soak`
    /// `ours`, and for `idle` `limit` and `ours`.
    #[arg(long, value_delimiter = ',', global = true)]
    servers: Vec<Name>,
    /// Servers in other languages to compare too; installs what they need.
    #[arg(long, value_delimiter = ',')]
    with: Vec<Language>,
    /// Only workloads whose name contains this.
    #[arg(long, default_value = "", global = true)]
    only: String,
    /// Only these numbers of connections.
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,
    /// The number of rounds. Each server runs once in every round.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The measured length of each run, in milliseconds.
    #[arg(long, default_value_t = 500)]
    window_ms: u64,
    /// The time before each run is measured, in milliseconds.
    #[arg(long, default_value_t = 300)]
    warm_up_ms: u64,
    /// The directory for `results.json` and `results.svg`. By default this package, whose README
    /// gets the table too, or none for quick runs and for selections.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cores: Cores,
}

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Runs one of the servers until standard input ends.
    Serve {
        name: Name,
        #[arg(long, default_value = "127.0.0.1:0")]
        addr: SocketAddr,
        #[command(flatten)]
        setting: Setting,
    },
    /// Counts heap allocations per request. Needs the feature `count-allocations`.
    Allocations,
    /// Sends millions of mixed requests and reports the memory.
    Soak {
        #[arg(long, default_value_t = 3)]
        millions: u64,
    },
    /// Calls servers directly and through the gateway. Needs the feature `gateway`.
    #[cfg(feature = "gateway")]
    Gateway,
    /// The gateway, in front of a child process or of a server over HTTP.
    #[cfg(feature = "gateway")]
    #[command(hide = true)]
    ServeGateway {
        #[arg(long)]
        upstream: Option<SocketAddr>,
    },
    /// The server over HTTP behind the gateway.
    #[cfg(feature = "gateway")]
    #[command(hide = true)]
    ServeUpstream {
        /// Starts a session for each client that has none.
        #[arg(long)]
        sessions: bool,
    },
    /// The child process.
    #[cfg(feature = "gateway")]
    #[command(hide = true)]
    ServeStdio,
    /// Measures the life of a task, with a store in the process and with one in Redis. Needs the
    /// feature `tasks`.
    #[cfg(feature = "tasks")]
    Tasks {
        /// The URL of the Redis to use, such as `redis://127.0.0.1:6379`, instead of one that this command
        /// starts. Nothing else should use it meanwhile.
        #[arg(long)]
        redis: Option<String>,
    },
    /// The server whose calls are tasks.
    #[cfg(feature = "tasks")]
    #[command(hide = true)]
    ServeTasks {
        #[arg(long)]
        redis: Option<String>,
    },
    /// Reports the memory that a connection takes.
    Idle {
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Measures connections that each have a call whose tool waits.
        #[arg(long)]
        in_flight: bool,
    },
}

impl Options {
    /// Returns the requested Rust servers, or `default`.
    pub(crate) fn rust_peers(&self, default: &[Name]) -> Vec<Peer> {
        let names = if self.servers.is_empty() { default } else { &self.servers };
        names.iter().copied().map(Peer::Rust).collect()
    }

    /// Returns all requested servers, installed.
    fn peers(&self) -> io::Result<Vec<Peer>> {
        let rust = self.rust_peers(Name::value_variants()).into_iter().map(Ok);
        rust.chain(self.with.iter().copied().map(Peer::install)).collect()
    }

    pub(crate) fn workloads(&self) -> io::Result<Vec<Workload>> {
        let mut workloads = workload::all();
        workloads.retain(|workload| workload.title().contains(&self.only));
        if workloads.is_empty() {
            let only = &self.only;
            return Err(io::Error::other(format!("no workload has {only:?} in its name")));
        }
        Ok(workloads)
    }

    /// Returns the number of rounds, and the milliseconds of a window and of the warm-up.
    fn rounds(&self) -> (usize, u64, u64) {
        if self.quick { (1, 300, 100) } else { (self.rounds, self.window_ms, self.warm_up_ms) }
    }

    #[cfg(any(feature = "gateway", feature = "tasks"))]
    pub(crate) fn times(&self) -> crate::window::Times {
        let (rounds, window, warm_up) = self.rounds();
        let (window, warm_up) = (Duration::from_millis(window), Duration::from_millis(warm_up));
        crate::window::Times { rounds, window, warm_up }
    }

    pub(crate) fn plan(&self) -> io::Result<Plan> {
        let (rounds, window, warm_up) = self.rounds();
        Ok(Plan {
            peers: self.peers()?,
            workloads: self.workloads()?,
            connections: self.connections.clone(),
            rounds,
            conditions: Conditions {
                warm_up: Duration::from_millis(warm_up),
                window: Duration::from_millis(window),
                cores: self.cores,
                nearest_ns: distance::nearest_ns(self.cores)?,
            },
        })
    }

    /// Returns the directory that the results are written to.
    pub(crate) fn output(&self) -> Option<PathBuf> {
        self.out.clone().or_else(|| self.is_whole().then(|| env!("CARGO_MANIFEST_DIR").into()))
    }

    /// Returns the README that shows the results.
    pub(crate) fn readme(&self) -> Option<PathBuf> {
        let is_shown = self.is_whole() && self.out.is_none();
        is_shown.then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
    }

    /// Returns whether all workloads are measured with all Rust servers and connections.
    fn is_whole(&self) -> bool {
        !self.quick && self.servers.is_empty() && self.only.is_empty() && self.connections.is_empty()
    }
}
