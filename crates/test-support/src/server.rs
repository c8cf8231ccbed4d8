//! A server in a separate process.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::setup;

/// Only bounds how long a server that never starts can hold up the tests.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The same for one that never ends.
const END_LIMIT: Duration = Duration::from_secs(30);
const READY: &str = "listening on ";

/// Runs until dropped.
pub struct ExampleServer {
    name: String,
    url: String,
    said: Vec<String>,
    process: Child,
    /// Held open, because a server whose output is closed fails when it prints.
    _output: Lines<BufReader<ChildStdout>>,
}

impl ExampleServer {
    /// Starts the example called `name` and waits until it listens.
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// Does the same, with environment variables.
    pub async fn start_with(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(example(name));
        command.args(["--addr", "127.0.0.1:0"]).envs(variables.iter().copied());
        Self::run(command).await
    }

    /// Starts any server that prints its address like the examples, and waits for that.
    pub async fn run(mut command: Command) -> Self {
        let name = command.as_std().get_program().display().to_string();
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap_or_else(
                |error| {
                    panic!(
                        "{name}: {error}; `cargo test --workspace` builds the examples, and so does \
                         `cargo build --examples --all-features`",
                    )
                },
            );
        let output = process.stdout.take().expect("the standard output is piped");
        let mut output = BufReader::new(output).lines();
        let mut said = Vec::new();
        let url = timeout(START_LIMIT, async {
            while let Some(line) = output.next_line().await.expect("the output is text") {
                match line.strip_prefix(READY) {
                    Some(url) => return url.to_owned(),
                    None => said.push(line),
                }
            }
            panic!("{name} ended without saying where it listens; it said {said:?}");
        })
        .await
        .unwrap_or_else(|_| panic!("{name} does not say where it listens"));
        Self { name, url, said, process, _output: output }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The lines that it printed before its address.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.process.id().expect("nobody has waited for it")
    }

    /// Returns its address, without the scheme and the path.
    pub fn authority(&self) -> &str {
        self.url.split('/').nth(2).expect("a URL has an authority")
    }

    pub fn port(&self) -> u16 {
        let port = self.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.expect("it listens on a port")
    }

    /// Connects to it, and sends the start of a request.
    pub async fn connect(&self, opening: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.authority()).await.expect("it listens");
        socket.write_all(opening.as_bytes()).await.expect("it is read");
        socket
    }

    /// Stops it with a signal while clients keep it busy in every way, and asserts that it ends in
    /// time.
    pub async fn ends_beside_stuck_clients(self, signal: &str) {
        let name = self.name.clone();
        let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        let stuck = [
            self.connect("").await,
            self.connect("POST /mcp HT").await,
            self.connect(&format!("{head}content-length: 100\r\n\r\n{{")).await,
            self.connect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await,
        ];
        let started = Instant::now();
        let status = self.ends_by(signal).await;
        assert!(status.success(), "{name} ends by {signal} with {status}");
        assert!(started.elapsed().as_secs() < 20, "{name} {signal}");
        drop(stuck);
    }

    /// Sends it a signal, such as `TERM`, and waits until it has ended.
    pub async fn ends_by(mut self, signal: &str) -> ExitStatus {
        let id = self.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status().await.expect("kill runs");
        assert!(kill.success(), "{id} takes no signal {signal}");
        let ended = timeout(END_LIMIT, self.process.wait()).await;
        ended.unwrap_or_else(|_| panic!("{signal} does not end it")).expect("it can be waited for")
    }
}

/// Returns a port on which nothing listens.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// Runs an example to its end, and returns its output.
pub async fn run_example(name: &str, arguments: &[&str]) -> String {
    let run = Command::new(example(name)).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(START_LIMIT, run).await.unwrap_or_else(|_| panic!("{name} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("the output is text")
}

/// Returns the path of an example of the root package.
pub fn example(name: &str) -> PathBuf {
    setup::profile().join("examples").join(name)
}
