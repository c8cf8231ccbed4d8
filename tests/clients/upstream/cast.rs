//! The upstreams of `tests/clients/upstreams`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcp_stateless_upstream::{Upstream, UpstreamBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::server::ExampleServer;
use crate::{cast, setup};

/// Only bounds how long something that never happens can hold up the tests.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `holds`, where nothing tells when it does.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < LIMIT, "never came true: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn script(name: &str) -> PathBuf {
    setup::source("upstreams").join(name)
}

/// A Python upstream over stdio, which is called by its script's name.
pub(super) fn python(name: &str) -> UpstreamBuilder {
    Upstream::stdio(setup::python_1()).arg(script(&format!("{name}.py"))).name(name)
}

/// The same on version 2 of the SDK.
pub(super) fn python_2(name: &str) -> UpstreamBuilder {
    Upstream::stdio(setup::python_2()).arg(script(&format!("{name}.py"))).name(name)
}

/// An upstream over HTTP, as its own process, which runs until dropped.
pub(super) struct Member(ExampleServer);

impl Member {
    pub(super) async fn node(name: &str, arguments: &[&str]) -> Self {
        Self(cast::typescript(&format!("{name}.mjs"), arguments).await)
    }

    pub(super) async fn arithmetic() -> Self {
        Self(cast::arithmetic_over_http(0).await)
    }

    pub(super) async fn modern() -> Self {
        Self(cast::modern().await)
    }

    /// Ends it at once.
    pub(super) async fn kill(self) {
        self.0.ends_by("KILL").await;
    }

    pub(super) fn upstream(&self) -> UpstreamBuilder {
        Upstream::http(self.0.url()).name("member")
    }

    fn authority(&self) -> &str {
        self.0.url().strip_prefix("http://").and_then(|url| url.split('/').next()).expect("a URL")
    }

    pub(super) fn port(&self) -> &str {
        self.authority().rsplit(':').next().expect("a port")
    }

    /// What the counting members tell at `/stats`.
    pub(super) async fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(self.authority()).await.expect("a connection");
        stream.write_all(b"GET /stats HTTP/1.0\r\n\r\n").await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// How many connections this process has to it.
    pub(super) fn connections(&self) -> usize {
        let port: u16 = self.port().parse().expect("a number");
        let table = fs::read_to_string("/proc/self/net/tcp").expect("the table");
        let ours = table.lines().filter(|line| {
            let mut fields = line.split_whitespace().skip(2);
            let remote = fields.next().is_some_and(|it| it.ends_with(&format!(":{port:04X}")));
            remote && fields.next() == Some("01")
        });
        ours.count()
    }
}

/// Whether a process runs.
pub(super) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; only nobody has asked how.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

/// The processes that were started with this argument.
pub(super) fn processes_with(argument: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").filter_map(|entry| {
        let pid = entry.ok()?.file_name().into_string().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let has = line.split(|byte| *byte == 0).any(|it| it == argument.as_bytes());
        (has && is_alive(&pid)).then_some(pid)
    });
    processes.collect()
}
