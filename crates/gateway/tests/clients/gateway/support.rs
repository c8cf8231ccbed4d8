//! Runs gateways, and sends them requests.

use std::{
    fs,
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
};

use rmcp::{ServiceError, model::CallToolResult};
use serde_json::{Value, json};
use test_support::{
    client::MODERN,
    rmcp_client::{self, Connector},
    script,
    server::ExampleServer,
    setup,
};
use tokio::process::Command;

/// The gateway.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
}

/// A configuration in a temporary file.
pub(crate) struct Config(PathBuf);

impl Config {
    pub(crate) fn new(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.json", std::process::id());
        let path = setup::scratch().join(name);
        fs::write(&path, text).expect("the target directory takes files");
        Self(path)
    }

    pub(crate) fn of(servers: &Value) -> Self {
        Self::new(&json!({ "mcpServers": servers }).to_string())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = program();
        command.arg(&self.0);
        command
    }

    pub(crate) async fn check(&self) -> Output {
        let mut command = self.command();
        command.arg("--check");
        script::run(command).await
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // Cleaning the target directory removes it as well.
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts a gateway in front of `servers`, the value of `mcpServers`.
pub(crate) async fn gateway(servers: Value) -> ExampleServer {
    let config = Config::of(&servers);
    let mut command = config.command();
    // Hides warnings about servers that a test disturbs on purpose.
    command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "off");
    ExampleServer::run(command).await
}

pub(crate) async fn connect(url: &str) -> rmcp_client::Client {
    Connector::new("pinned", MODERN, url).connect().await
}

pub(crate) async fn number(client: &rmcp_client::Client, tool: &str) -> u32 {
    let answer = client.call(tool, json!({})).await.expect("a result");
    rmcp_client::text(&answer).parse().expect("a number")
}

pub(crate) fn is_error(answer: &Result<CallToolResult, ServiceError>) -> bool {
    match answer {
        Ok(result) => result.is_error == Some(true),
        Err(error) => matches!(error, ServiceError::McpError(_)),
    }
}

/// Whether a process is running; a zombie is not.
pub(crate) fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

pub(crate) async fn kill(id: u32) {
    let killed = Command::new("kill").args(["-s", "KILL", &id.to_string()]).status().await;
    assert!(killed.expect("kill runs").success(), "{id} cannot be killed");
}

/// Returns the words of the line about a server in the gateway's report.
pub(crate) fn line<'a>(said: impl IntoIterator<Item = &'a str>, server: &str) -> Vec<&'a str> {
    let mut lines = said.into_iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.first() == Some(&server));
    line.unwrap_or_else(|| panic!("nothing is said of {server}"))
}
