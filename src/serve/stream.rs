//! A stream of HTTP/2, whose peer must read what is written to it.
//!
//! A peer can keep the window of one stream closed while the socket still accepts bytes. Such a
//! stream must not cut the connection, which may belong to a proxy and carry the requests of many
//! clients.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;

use crate::deadline::Deadline;

tokio::task_local! {
    /// The stream that the current task answers.
    static STREAM: Arc<WriteProgress>;
}

/// The progress of the response on a stream: odd while a frame of its body waits for the peer, and
/// one more at each step.
#[derive(Debug, Default)]
pub(super) struct WriteProgress(AtomicUsize);

impl WriteProgress {
    /// Returns the stream that the current task answers; none in HTTP/1.1.
    pub(super) fn of_this_stream() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// Records that a frame waits for the peer.
    pub(super) fn hand_out(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    /// Records that the last frame was sent.
    pub(super) fn go_on(&self) {
        let step = self.0.load(Ordering::Relaxed);
        self.0.store(step.wrapping_add(step & 1), Ordering::Relaxed);
    }

    /// Returns the number of the waiting frame, if there is one.
    fn waiting(&self) -> Option<usize> {
        let step = self.0.load(Ordering::Relaxed);
        (step & 1 == 1).then_some(step)
    }
}

/// Spawns the tasks that answer streams.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    pub(super) write_timeout: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let progress = Arc::<WriteProgress>::default();
        let stream = STREAM.scope(Arc::clone(&progress), future);
        tokio::spawn(GuardedStream { stream, progress, write_timeout: self.write_timeout, stalled: None });
    }
}

pin_project! {
    /// Drops a stream whose peer takes nothing for the write timeout, which resets it.
    struct GuardedStream<F> {
        #[pin]
        stream: TaskLocalFuture<Arc<WriteProgress>, F>,
        progress: Arc<WriteProgress>,
        write_timeout: Duration,
        // The waiting frame, and since when it waits.
        stalled: Option<(usize, Deadline)>,
    }
}

impl<F: Future<Output = ()>> Future for GuardedStream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(frame) = this.progress.waiting() else {
            *this.stalled = None;
            return Poll::Pending;
        };
        if this.stalled.as_ref().is_none_or(|(stalled, _)| *stalled != frame) {
            *this.stalled = Some((frame, Deadline::new(*this.write_timeout)));
        }
        let Some((_, deadline)) = this.stalled else { return Poll::Pending };
        std::task::ready!(deadline.poll(cx));
        tracing::debug!(write_timeout = ?this.write_timeout, "a peer does not read its stream; resetting it");
        Poll::Ready(())
    }
}
