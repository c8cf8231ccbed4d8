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
    /// Those that wait for the outcome.
    handlers: Vec<Waker>,
    /// The call, which makes it a task.
    call: Option<Waker>,
    /// What the handler has reported last.
    status: Option<String>,
}

impl TaskWish {
    /// Wants the call to become a task. Ready when it has, or cannot.
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

    /// Returns whether the handler wants it. If not, wakes the caller when it does.
    pub(crate) fn watch(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        match &mut state.call {
            Some(call) => call.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.is_wanted()
    }

    /// Keeps what the handler reports, for the status of a task that the call may become.
    pub(crate) fn note_status(&self, status: String) {
        self.lock().status = Some(status);
    }

    /// Returns what the handler has reported last.
    pub(crate) fn status(&self) -> Option<String> {
        self.lock().status.clone()
    }

    /// Returns whether the call has become a task.
    pub(super) fn is_granted(&self) -> bool {
        self.lock().outcome == Some(true)
    }

    /// Returns whether the handler wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }

    /// Says whether the call has become a task. The first time counts.
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
