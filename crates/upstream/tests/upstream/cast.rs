//! Upstreams that are built with other SDKs.

use std::fs;
use std::path::PathBuf;

use mcp_stateless_upstream::{Upstream, UpstreamBuilder};
use serde_json::Value;
use test_support::server::ExampleServer;
use test_support::{setup, upstreams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) use test_support::wait::until as eventually;

fn script(name: &str) -> PathBuf {
    setup::source("upstreams").join(name)
}

/// A Python upstream over stdio, named after its script.
pub(super) fn python(name: &str) -> UpstreamBuilder {
    Upstream::stdio(setup::python_1()).arg(script(&format!("{name}.py"))).name(name)
}

/// The same with version 2 of the SDK.
pub(super) fn python_2(name: &str) -> UpstreamBuilder {
    Upstream::stdio(setup::python_2()).arg(script(&format!("{name}.py"))).name(name)
}

/// An upstream over HTTP in a separate process, which is killed when this value is dropped.
pub(super) struct Member(ExampleServer);

impl Member {
    pub(super) async fn node(name: &str, arguments: &[&str]) -> Self {
        Self(upstreams::typescript(&format!("{name}.mjs"), arguments).await)
    }

    pub(super) async fn arithmetic() -> Self {
        Self(upstreams::arithmetic_over_http(0).await)
    }

    pub(super) async fn modern() -> Self {
        Self(upstreams::modern().await)
    }

    /// Kills the process.
    pub(super) async fn kill(self) {
        self.0.ends_by("KILL").await;
    }

    pub(super) fn upstream(&self) -> UpstreamBuilder {
        Upstream::http(self.0.url()).name("member")
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port()
    }

    /// Reads `/stats`, which the counting upstreams serve.
    pub(super) async fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(self.0.authority()).await.expect("a connection");
        stream.write_all(b"GET /stats HTTP/1.0\r\n\r\n").await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// Returns the number of connections from this process.
    pub(super) fn connections(&self) -> usize {
        let port = self.port();
        let table = fs::read_to_string("/proc/self/net/tcp").expect("the table");
        let ours = table.lines().filter(|line| {
            let mut fields = line.split_whitespace().skip(2);
            let remote = fields.next().is_some_and(|it| it.ends_with(&format!(":{port:04X}")));
            remote && fields.next() == Some("01")
        });
        ours.count()
    }
}

/// Whether a process is running.
pub(super) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended but has not been reaped.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

/// Returns the processes that were started with this argument.
pub(super) fn processes_with(argument: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").filter_map(|entry| {
        let pid = entry.ok()?.file_name().into_string().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let has = line.split(|byte| *byte == 0).any(|it| it == argument.as_bytes());
        (has && is_alive(&pid)).then_some(pid)
    });
    processes.collect()
}
