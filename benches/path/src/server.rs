//! Servers on hyper, each for one connection: one with this crate, and the hand-written one of the
//! package `peers`.

#[path = "../../peers/src/server/limit/mod.rs"]
#[expect(dead_code, reason = "shared with `peers`, which measures more of it")]
mod limit;
#[path = "../../peers/src/server/ours.rs"]
mod ours;

use std::io::{self, Write as _};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use self::limit::Passes;
use crate::Failure;
use crate::catalogue::ToolSet;

/// The options of a server of `peers`.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) tools: ToolSet,
}

const SETTING: Setting = Setting { tools: ToolSet::Four };

/// The server to run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Ours,
    /// The limit of hyper and `serde_json`.
    HandWritten,
}

impl Server {
    pub(crate) const ALL: [Self; 2] = [Self::Ours, Self::HandWritten];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::HandWritten => "hand_written",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let server = Self::ALL.into_iter().find(|server| server.name() == name);
        server.ok_or_else(|| format!("there is no server {name}"))
    }
}

/// Prints its address, serves one connection, and returns when it ends.
pub(crate) fn serve(server: Server) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        let (stream, _) = listener.accept().await?;
        match server {
            Server::Ours => serve_connection(stream, ours::service(SETTING)?).await,
            Server::HandWritten => serve_connection(stream, limit::service(SETTING.tools, Passes::One)).await,
        }
    })
}

pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

async fn serve_connection<S, B>(stream: TcpStream, service: S) -> Result<(), Failure>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Failure>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Failure>,
{
    stream.set_nodelay(true)?;
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // In a task, as in most servers.
    tokio::spawn(connection).await??;
    Ok(())
}
