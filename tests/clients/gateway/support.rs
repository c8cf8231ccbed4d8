//! Gateways, and what is asked of them.

use std::{
    fs,
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use rmcp::{ServiceError, model::CallToolResult};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    rmcp_client::{self, Connector},
    script,
    server::{self, ExampleServer},
    stories::MODERN,
};

/// Only bounds how long something that never happens can hold up the tests.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A configuration in a file of its own.
pub(crate) struct Config(PathBuf);

impl Config {
    pub(super) fn new(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.json", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, text).expect("the target directory takes files");
        Self(path)
    }

    pub(crate) fn of(servers: &Value) -> Self {
        Self::new(&json!({ "mcpServers": servers }).to_string())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(server::example("gateway"));
        command.arg(&self.0);
        command
    }

    pub(super) async fn check(&self) -> Output {
        let mut command = self.command();
        command.arg("--check");
        script::run(command).await
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // Whoever cleans the target directory removes it as well.
        let _ = fs::remove_file(&self.0);
    }
}

/// A gateway in front of `servers`, the value of `mcpServers`.
pub(super) async fn gateway(servers: Value) -> ExampleServer {
    let config = Config::of(&servers);
    let mut command = config.command();
    // What a test does to the servers is no news to whoever reads its output.
    command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "off");
    ExampleServer::run(command).await
}

pub(super) async fn connect(url: &str) -> rmcp_client::Client {
    Connector::new("pinned", MODERN, url).connect().await
}

pub(super) async fn number(client: &rmcp_client::Client, tool: &str) -> u32 {
    let answer = client.call(tool, json!({})).await.expect("a result");
    rmcp_client::text(&answer).parse().expect("a number")
}

pub(super) fn is_error(answer: &Result<CallToolResult, ServiceError>) -> bool {
    match answer {
        Ok(result) => result.is_error == Some(true),
        Err(error) => matches!(error, ServiceError::McpError(_)),
    }
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
pub(super) fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// Waits for something that nothing tells of.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LIMIT, "it never came about that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn kill(id: u32) {
    let killed = Command::new("kill").args(["-s", "KILL", &id.to_string()]).status().await;
    assert!(killed.expect("kill runs").success(), "{id} cannot be killed");
}

pub(super) fn port(server: &ExampleServer) -> u16 {
    let authority = server.url().split('/').nth(2).expect("a URL has an authority");
    authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
}

/// The words of the line about a server in what the gateway says of all.
pub(super) fn line<'a>(said: impl IntoIterator<Item = &'a str>, server: &str) -> Vec<&'a str> {
    let mut lines = said.into_iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.first() == Some(&server));
    line.unwrap_or_else(|| panic!("nothing is said of {server}"))
}
