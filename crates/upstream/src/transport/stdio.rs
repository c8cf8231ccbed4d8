//! Upstreams behind a pair of streams: a child's or the host's.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use super::child::{RunningChild, Streams};
use super::lines::{self, ToWrite};
use super::words::LastWords;
use crate::connection::{Closing, Connection};
use crate::failure::Cause;

/// How long a child's output is read after its exit, and how long its exit is awaited after the end of
/// its output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long open calls may take after the upstream has stopped reading its input.
const LAST_ANSWERS: Duration = Duration::from_secs(60);
const NO_INPUT: &str = "it does not read its input";

/// Reads and writes the streams while the session lasts.
pub(super) async fn attend_streams(
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send,
    to_write: ToWrite,
    connection: Arc<Connection>,
) {
    let write = async {
        connection.refuse_input(lines::write(output, to_write).await);
        sleep(LAST_ANSWERS).await;
        Cause::new(NO_INPUT)
    };
    let cause = tokio::select! {
        cause = lines::read(input, &connection, |_| {}) => {
            tracing::warn!(upstream = %connection.upstream, cause = &*cause.words, "an upstream has ended");
            cause
        }
        () = connection.closed() => Cause::new("its session was closed"),
        cause = write => cause,
    };
    connection.end(&cause);
}

/// Reads and writes a child's streams while the session lasts, and then ends the child.
pub(super) async fn attend_child(
    mut child: RunningChild,
    streams: Streams,
    to_write: ToWrite,
    connection: Arc<Connection>,
    words: Arc<LastWords>,
) {
    let Streams { input, output, errors } = streams;
    let stray = |line: &[u8]| words.stray(line, &connection.upstream);
    let (mut errors, mut read) = (
        pin!(words.read(errors, &connection.upstream).fuse()),
        pin!(lines::read(output, &connection, stray).fuse()),
    );
    let mut written = Box::pin(lines::write(input, to_write).fuse());
    let mut last_answers = pin!(sleep(LAST_ANSWERS));
    let end = loop {
        tokio::select! {
            () = &mut errors, if !errors.is_terminated() => {}
            unsent = &mut written, if !written.is_terminated() => {
                connection.refuse_input(unsent);
                last_answers.as_mut().reset(Instant::now() + LAST_ANSWERS);
            }
            () = &mut last_answers, if written.is_terminated() => break Some(Cause::new(NO_INPUT)),
            cause = &mut read => {
                // Usually the process is ending, and its exit status says more.
                let exit = timeout(LAST_WORDS, async { tokio::join!(child.exit(), rest(errors.as_mut())).0 });
                break Some(match exit.await {
                    Ok(Ok(status)) => Cause::new(format!("it ended with {status}")),
                    _ => cause,
                });
            }
            status = child.exit() => {
                // Its process group is gone, so its output ends immediately.
                let last = async { tokio::join!(rest(errors.as_mut()), rest(read.as_mut())) };
                let _ = timeout(LAST_WORDS, last).await;
                break Some(match status {
                    Ok(status) => Cause::new(format!("it ended with {status}")),
                    Err(error) => Cause::new("it ended").detail(error.to_string()),
                });
            }
            () = connection.closed() => break None,
        }
    };
    if let Some(cause) = end {
        let cause = cause.detail(words.text());
        if !connection.is_closing() {
            tracing::warn!(upstream = %connection.upstream, cause = &*cause.words, "an upstream has ended");
            tracing::debug!(upstream = %connection.upstream, last_words = cause.detail, "the last output of an upstream");
        }
        connection.end(&cause);
        child.kill().await;
        return;
    }
    // Closing its input asks the child to end.
    drop(written);
    // Keep reading its output: otherwise the child may block and never end.
    let rest = async {
        tokio::join!(rest(read), rest(errors));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = child.end() => {}
        () = rest => {}
        () = connection.closes(Closing::Now) => {}
    }
    connection.end(&Cause::new("its session was closed"));
    child.kill().await;
}

/// Waits for a future that may already have completed.
async fn rest<T>(future: Pin<&mut Fuse<impl Future<Output = T>>>) {
    if !future.is_terminated() {
        future.await;
    }
}
