//! The wish of a handler that its call becomes a task.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Whether a handler wants its call to become a task, and whether it has.
#[derive(Default)]
pub(crate) struct TaskWish {
    /// Written under the lock, and read without it.
    is_wanted: AtomicBool,
    state: Mutex<WishState>,
}

#[derive(Default)]
struct WishState {
    /// Whether the call has become a task, once that is known.
    outcome: Option<bool>,
    /// The wakers of handlers that wait for the outcome.
    handlers: Vec<Waker>,
    /// The waker of the call, which creates the task.
    call: Option<Waker>,
    /// The handler's latest report.
    status: Option<String>,
}

impl TaskWish {
    /// Requests that the call becomes a task. Ready when it has become one, or cannot.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<bool> {
        let call = {
            let mut state = self.lock();
            if let Some(outcome) = state.outcome {
                return Poll::Ready(outcome);
            }
            if state.handlers.iter().all(|waker| !waker.will_wake(cx.waker())) {
                state.handlers.push(cx.waker().clone());
            }
            self.is_wanted.store(true, Ordering::SeqCst);
            state.call.take()
        };
        if let Some(call) = call {
            call.wake();
        }
        Poll::Pending
    }

    /// Returns whether the handler has requested a task. If not, wakes the caller when it does.
    pub(crate) fn watch(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        match &mut state.call {
            Some(call) => call.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.is_wanted()
    }

    /// Stores the handler's report as the status of the task that the call may become.
    pub(crate) fn note_status(&self, status: String) {
        self.lock().status = Some(status);
    }

    /// Returns the handler's latest report.
    pub(crate) fn status(&self) -> Option<String> {
        self.lock().status.clone()
    }

    /// Returns whether the call has become a task.
    pub(super) fn is_granted(&self) -> bool {
        self.lock().outcome == Some(true)
    }

    /// Returns whether the handler has requested a task.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }

    /// Sets whether the call has become a task. Only the first call has an effect.
    pub(crate) fn settle(&self, outcome: bool) {
        let handlers = {
            let mut state = self.lock();
            if state.outcome.is_none() {
                state.outcome = Some(outcome);
            }
            std::mem::take(&mut state.handlers)
        };
        handlers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, WishState> {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
