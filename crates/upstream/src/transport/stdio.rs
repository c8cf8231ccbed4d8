//! An upstream at the other end of a pair of streams: a child's, or a host's.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::child::{LastWords, RunningChild, Streams};
use super::lines::{self, ToWrite};
use crate::connection::{Closing, Connection};
use crate::failure::Cause;

/// How long what a child has said is still read after its end, and how long its end is waited
/// for after that of its output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Reads and writes for as long as the session lasts.
pub(super) async fn attend_streams(
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send,
    to_write: ToWrite,
    connection: Arc<Connection>,
) {
    let write = async {
        lines::write(output, to_write).await;
        std::future::pending().await
    };
    let cause = tokio::select! {
        cause = lines::read(input, &connection) => {
            tracing::warn!(upstream = %connection.upstream, "an upstream has ended: {}", cause.words);
            cause
        }
        () = connection.closed() => Cause::new("its session was closed"),
        never = write => never,
    };
    connection.end(&cause);
}

/// Reads and writes a child's streams for as long as the session lasts, and then ends it.
pub(super) async fn attend_child(
    mut child: RunningChild,
    streams: Streams,
    to_write: ToWrite,
    connection: Arc<Connection>,
) {
    let Streams { input, output, errors } = streams;
    let words = LastWords::default();
    let (mut errors, mut read) = (
        pin!(words.read(errors, &connection.upstream).fuse()),
        pin!(lines::read(output, &connection).fuse()),
    );
    let mut written = Box::pin(lines::write(input, to_write).fuse());
    let end = loop {
        tokio::select! {
            () = &mut errors, if !errors.is_terminated() => {}
            () = &mut written, if !written.is_terminated() => {}
            cause = &mut read => {
                // Nearly always its process ends now, and says more.
                let exit = timeout(LAST_WORDS, async { tokio::join!(child.exit(), rest(errors.as_mut())).0 });
                break Some(match exit.await {
                    Ok(Ok(status)) => Cause::new(format!("it ended with {status}")),
                    _ => cause,
                });
            }
            status = child.exit() => {
                // Its group is gone, so the end of its output comes at once.
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
            tracing::warn!(upstream = %connection.upstream, "an upstream has ended: {}", cause.full());
        }
        connection.end(&cause);
        child.kill().await;
        return;
    }
    // The end of its input asks it to end.
    drop(written);
    // It must be read on, or it might not get to its end.
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

/// Waits for what may have been waited for already.
async fn rest<T>(future: Pin<&mut Fuse<impl Future<Output = T>>>) {
    if !future.is_terminated() {
        future.await;
    }
}
