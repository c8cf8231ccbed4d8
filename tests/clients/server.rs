//! An example server as its own process.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Only bounds how long a server that never gets ready can hold up the tests.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The same for one that does not end.
const END_LIMIT: Duration = Duration::from_secs(30);
const READY: &str = "listening on ";

/// Runs until dropped.
pub(crate) struct ExampleServer {
    url: String,
    said: Vec<String>,
    process: Child,
    /// Held because a server whose output nobody can read any more fails when it prints.
    _output: Lines<BufReader<ChildStdout>>,
}

impl ExampleServer {
    /// Starts the example called `name` and waits until it listens.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// The same, with environment variables.
    pub(crate) async fn start_with(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(example(name));
        command.args(["--addr", "127.0.0.1:0"]).envs(variables.iter().copied());
        Self::run(command).await
    }

    /// Starts any server that says where it listens, as the examples do, and waits for that.
    pub(crate) async fn run(mut command: Command) -> Self {
        let name = command.as_std().get_program().display().to_string();
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap_or_else(
                |error| {
                    panic!(
                        "{name}: {error}; `cargo test` builds the examples unless told which targets to \
                     test, `cargo build --examples` always does",
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
        Self { url, said, process, _output: output }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it printed before it said where it listens.
    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id().expect("nobody has waited for it")
    }

    /// Sends it a signal, such as `TERM`, and waits until it has ended.
    pub(crate) async fn ends_by(mut self, signal: &str) -> ExitStatus {
        let id = self.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status().await.expect("kill runs");
        assert!(kill.success(), "{id} takes no signal {signal}");
        let ended = timeout(END_LIMIT, self.process.wait()).await;
        ended.unwrap_or_else(|_| panic!("{signal} does not end it")).expect("it can be waited for")
    }
}

/// Runs an example to its end; gives all that it prints.
pub(crate) async fn run_example(name: &str, arguments: &[&str]) -> String {
    let run = Command::new(example(name)).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(START_LIMIT, run).await.unwrap_or_else(|_| panic!("{name} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("the output is text")
}

/// Cargo puts this test into `deps` and the examples beside it.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.parent().and_then(Path::parent).expect("a test is below its profile");
    profile.join("examples").join(name)
}
