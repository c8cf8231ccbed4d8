//! The servers that are compared: each a process with one thread, on hyper's connections.

mod control;
#[cfg(feature = "count-allocations")]
mod counting;
#[cfg(feature = "gateway")]
mod gateway;
mod limit;
mod official;
mod ours;
#[cfg(feature = "gateway")]
pub(crate) mod stdio;
#[cfg(feature = "tasks")]
mod tasks;

use std::{
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
};

use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use self::limit::Passes;
use crate::{catalogue::ToolSet, http::Http};

/// The configuration of a server.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Setting {
    #[arg(long, value_enum, default_value_t = ToolSet::Four)]
    pub(crate) tools: ToolSet,
    /// Selects the configuration for results after notifications, if a server has a different one
    /// for plain JSON.
    #[arg(long)]
    pub(crate) sse: bool,
    /// The version of HTTP.
    #[arg(long, value_enum, default_value_t = Http::Http1)]
    pub(crate) http: Http,
}

/// The names of the Rust servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// Hand-written for these tools: the limit that hyper and `serde_json` allow.
    Limit,
    /// The same, but it parses arguments in two passes, as most servers do.
    TwoPass,
    /// The official SDK.
    Rmcp,
    /// This crate.
    Ours,
}

impl Name {
    /// Returns the name on the command line and in the report.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::TwoPass => "two-pass",
            Self::Rmcp => "rmcp",
            Self::Ours => "ours",
        }
    }
}

/// Runs a server until standard input ends.
pub(crate) fn run(name: Name, addr: SocketAddr, setting: Setting) -> io::Result<()> {
    crate::process::raise_open_files()?;
    control::spawn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        announce(&listener)?;
        match name {
            Name::Limit => accept(listener, setting.http, limit::service(setting.tools, Passes::One)).await,
            Name::TwoPass => accept(listener, setting.http, limit::service(setting.tools, Passes::Two)).await,
            Name::Ours => {
                let service = ours::service(setting).map_err(io::Error::other)?;
                accept(listener, setting.http, service).await
            }
            Name::Rmcp => accept(listener, setting.http, official::service(setting)).await,
        }
    })
}

/// Runs the gateway until standard input ends, with a child process or in front of a server over HTTP.
#[cfg(feature = "gateway")]
pub(crate) fn run_gateway(upstream: Option<SocketAddr>) -> io::Result<()> {
    control::spawn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let service = gateway::service(upstream).map_err(io::Error::other)?;
        announce(&listener)?;
        accept(listener, Http::Http1, service).await
    })
}

/// Runs the server whose calls are tasks until standard input ends, with a store in Redis or in the
/// process.
#[cfg(feature = "tasks")]
pub(crate) fn run_tasks(redis: Option<&str>) -> io::Result<()> {
    control::spawn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let service = tasks::service(redis).await.map_err(io::Error::other)?;
        announce(&listener)?;
        accept(listener, Http::Http1, service).await
    })
}

/// Runs the server behind the gateway until standard input ends: the hand-written one.
#[cfg(feature = "gateway")]
pub(crate) fn run_upstream(sessions: bool) -> io::Result<()> {
    control::spawn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(&listener)?;
        let service = limit::service(ToolSet::Two, Passes::One);
        if sessions {
            accept(listener, Http::Http1, gateway::with_sessions(service)).await
        } else {
            accept(listener, Http::Http1, service).await
        }
    })
}

/// Writes the line that the parent process waits for.
fn announce(listener: &TcpListener) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{}/mcp", listener.local_addr()?)?;
    out.flush()
}

/// Accepts connections. It is the same for every server, so that they differ only in how they
/// answer requests.
async fn accept<S, B>(listener: TcpListener, http: Http, service: S) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        // Errors of a connection, such as a client that hangs up, are ignored.
        match http {
            Http::Http1 => {
                let connection = http1::Builder::new().serve_connection(stream, service.clone());
                tokio::spawn(async move { connection.await.ok() });
            }
            Http::Http2 => {
                let builder = http2::Builder::new(TokioExecutor::new());
                let connection = builder.serve_connection(stream, service.clone());
                tokio::spawn(async move { connection.await.ok() });
            }
        }
    }
}
