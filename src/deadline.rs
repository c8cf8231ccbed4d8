//! A bound on a wait.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Limits a wait to a duration, counted from the first poll.
///
/// No timer is registered before that, so a future that is ready at once costs none. Outside a
/// Tokio runtime there are no timers, and the deadline never passes.
pub(crate) struct Deadline {
    length: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, sleep: None }
    }

    /// Polls the deadline; ready when the time has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() && tokio::runtime::Handle::try_current().is_err() {
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.length)));
        // The awaited future may have used up the task's budget; a timer that counts against the
        // budget would then never fire.
        pin!(tokio::task::unconstrained(sleep.as_mut())).poll(cx)
    }

    /// Starts again from the next poll.
    pub(crate) fn reset(&mut self) {
        match (&mut self.sleep, Instant::now().checked_add(self.length)) {
            (Some(sleep), Some(end)) => sleep.as_mut().reset(end),
            // The timer is created when it is polled.
            (sleep, None) => *sleep = None,
            (None, Some(_)) => {}
        }
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
    }
}

/// Waits for a future, at most for so long; `None` when the time is over.
#[cfg(feature = "auth")]
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut deadline) = (pin!(future), Deadline::new(limit));
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => deadline.poll(cx).map(|()| None),
    })
    .await
}
