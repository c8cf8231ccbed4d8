//! A bound on a wait.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Ends a wait of a given length, counted from the first poll.
///
/// Nothing is registered with a timer before that: what is ready at once costs
/// no timer. Outside a Tokio runtime there is no timer, and the deadline never
/// comes.
pub(crate) struct Deadline {
    length: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, sleep: None }
    }

    /// Ready when the time is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() && tokio::runtime::Handle::try_current().is_err() {
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.length)));
        // What is being waited for may have used up the task's budget, and would then
        // outlast a timer that keeps to it.
        pin!(tokio::task::unconstrained(sleep.as_mut())).poll(cx)
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        match (&mut self.sleep, Instant::now().checked_add(self.length)) {
            (Some(sleep), Some(end)) => sleep.as_mut().reset(end),
            // It is made anew when it is polled.
            (sleep, None) => *sleep = None,
            (None, Some(_)) => {}
        }
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
    }
}
