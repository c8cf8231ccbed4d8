//! Client programs and the conformance suite as subprocesses.

use std::{process::Output, time::Duration};

use tokio::{process::Command, time::timeout};

/// Only bounds how long a hanging client can hold up the tests.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `command` to its end.
pub async fn run(command: Command) -> Output {
    run_for(command, LIMIT).await
}

/// Runs `command` to its end, which takes no longer than `limit`.
pub async fn run_for(mut command: Command, limit: Duration) -> Output {
    let what = format!("{command:?}");
    timeout(limit, command.kill_on_drop(true).output())
        .await
        .unwrap_or_else(|_| panic!("{what} did not end within {limit:?}"))
        .unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Runs `command`, and panics if it fails.
pub async fn succeeds(command: Command) {
    let what = format!("{command:?}");
    let output = run(command).await;
    assert!(output.status.success(), "{what}: {}\n{}", output.status, said(&output));
}

/// Returns everything that a command printed.
pub fn said(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    format!("{printed}{complained}")
}
