//! An example server as its own process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Only bounds how long a server that never gets ready can hold up the tests.
const START_LIMIT: Duration = Duration::from_secs(30);
const READY: &str = "listening on ";

/// Runs until dropped.
pub(crate) struct ExampleServer {
    url: String,
    _process: Child,
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
        let program = example(name);
        let mut process = Command::new(&program)
            .args(["--addr", "127.0.0.1:0"])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; `cargo test` builds the examples unless told which targets to \
                     test, `cargo build --examples` always does",
                    program.display(),
                )
            });
        let output = process.stdout.take().expect("the standard output is piped");
        let mut output = BufReader::new(output).lines();
        let line = timeout(START_LIMIT, output.next_line())
            .await
            .unwrap_or_else(|_| panic!("{name} does not say where it listens"))
            .expect("the output is text")
            .unwrap_or_else(|| panic!("{name} ended without saying where it listens"));
        let url = line
            .strip_prefix(READY)
            .unwrap_or_else(|| panic!("{name} said {line:?} instead of where it listens"));
        Self { url: url.to_owned(), _process: process, _output: output }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
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
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.parent().and_then(Path::parent).expect("a test is below its profile");
    profile.join("examples").join(name)
}
