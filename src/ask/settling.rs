//! When a handler that asks has nothing else to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Asks;
use crate::deadline::Deadline;

/// How long a handler whose questions are polled by others has to be left unwoken.
const QUIET: Duration = Duration::from_secs(1);

/// Polls a handler until it has settled: until one of its questions has no answer, and it
/// waits for nothing else.
///
/// From the first such question on, the handler is polled with a waker that counts its
/// clones. Whatever can wake the handler holds a clone, but a question polled with this waker
/// keeps none, because its answer does not come in this request. So the handler has settled
/// when no clone is left after a poll: `cx.elicit(…).await` and several questions in a
/// `join!` end the call at once. While clones are left, something else is waited for, and the
/// handler goes on for as long as the server's `question_grace` allows.
///
/// A question that is polled with another waker, such as in a `FuturesUnordered` or in a
/// spawned task, says that some of the clones are there for its sake. Which of them cannot be
/// told: the handler then has settled when it was not woken for a second.
///
/// A handler that drops a question without an answer has decided something else first, such
/// as in a `select!` or by a timeout. It has settled as well, so that it does not act as if
/// the client had been asked.
#[derive(Default)]
pub(crate) struct Settling(Option<Box<Open>>);

/// Of a handler that has asked.
struct Open {
    waker: Arc<Counted>,
    grace: Deadline,
    quiet: Deadline,
}

/// A waker that passes on to that of the call, and whose clones are counted.
struct Counted {
    call: Mutex<Waker>,
    woken: AtomicBool,
}

impl Settling {
    /// Polls the handler; `None` when it has settled.
    pub(crate) fn poll<T>(
        &mut self,
        asks: &Asks,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        let open = if let Some(open) = &mut self.0 {
            open
        } else {
            if let Poll::Ready(ready) = poll(cx) {
                return Poll::Ready(Some(ready));
            }
            if !asks.watch(cx) {
                return Poll::Pending;
            }
            // What it waits for may hold another waker: once more, with the one that counts.
            self.0.insert(Box::new(Open::new(asks, cx)))
        };
        open.poll(asks, cx, poll)
    }
}

impl Open {
    fn new(asks: &Asks, cx: &Context<'_>) -> Self {
        let waker = Arc::new(Counted { call: Mutex::new(cx.waker().clone()), woken: AtomicBool::new(false) });
        asks.count_with(Arc::as_ptr(&waker).addr());
        Self { waker, grace: Deadline::new(asks.grace()), quiet: Deadline::new(QUIET) }
    }

    fn poll<T>(
        &mut self,
        asks: &Asks,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        self.waker.call().clone_from(cx.waker());
        let was_woken = self.waker.woken.swap(false, Ordering::AcqRel);
        let polled = {
            let waker = Waker::from(Arc::clone(&self.waker));
            poll(&mut Context::from_waker(&waker))
        };
        if let Poll::Ready(ready) = polled {
            return Poll::Ready(Some(ready));
        }
        if !asks.watch(cx) {
            // The call is over, and what goes on waits for no answer.
            return Poll::Pending;
        }
        if asks.is_abandoned() {
            return Poll::Ready(None);
        }
        if let Some(waker) = Arc::get_mut(&mut self.waker) {
            // It may have been woken since it was polled, by the last clone.
            return if *waker.woken.get_mut() { Poll::Pending } else { Poll::Ready(None) };
        }
        if asks.has_strangers() {
            if was_woken {
                self.quiet.reset();
            }
            let has_timer = tokio::runtime::Handle::try_current().is_ok();
            if !has_timer || self.quiet.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        self.grace.poll(cx).map(|()| None)
    }
}

impl Counted {
    fn call(&self) -> MutexGuard<'_, Waker> {
        // Nothing in here panics half-way, so it is whole even if poisoned.
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        // Not under the lock, because a waker may run what takes it.
        let call = self.call().clone();
        call.wake();
    }
}
