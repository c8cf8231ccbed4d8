//! When a handler that asks has nothing else to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Asks;
use crate::deadline::Deadline;

/// For how long nothing must wake a handler whose questions are polled by something else.
const QUIET: Duration = Duration::from_secs(1);

/// Polls a handler until it is idle: until one of its questions has no answer, and it waits
/// for nothing else.
///
/// From the first such question on, the handler is polled with a waker that counts its clones.
/// Whatever can wake the handler holds a clone, but a question that is polled with this waker
/// keeps none, because its answer does not come in this request. So the handler is idle when
/// no clone is left after a poll: `cx.elicit(…).await` and a `join!` of questions end the call
/// at once. While clones are left, something else is waited for, and the handler goes on for
/// as long as the server's `question_grace` allows.
///
/// A question that is polled with another waker, such as in a `FuturesUnordered` or in a
/// spawned task, shows that some clones may be left on its account. Nothing tells which, so
/// the handler then counts as idle when it was not woken for a second.
///
/// A handler that drops a question without an answer, such as in a `select!` or by a timeout,
/// is idle as well. Otherwise it would go on as if the client had been asked and said nothing.
#[derive(Default)]
pub(crate) struct IdleDetector(Option<Box<AskedHandler>>);

/// What is known of a handler that has asked.
struct AskedHandler {
    waker: Arc<CountedWaker>,
    grace: Deadline,
    quiet: Deadline,
}

/// A waker whose clones are counted, and which wakes the call.
struct CountedWaker {
    call: Mutex<Waker>,
    woken: AtomicBool,
}

impl IdleDetector {
    /// Polls the handler. `None` when it is idle.
    pub(crate) fn poll<T>(
        &mut self,
        asks: &Asks,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        let asked = if let Some(asked) = &mut self.0 {
            asked
        } else {
            if let Poll::Ready(ready) = poll(cx) {
                return Poll::Ready(Some(ready));
            }
            if !asks.watch(cx) {
                return Poll::Pending;
            }
            // Poll once more, so that what it waits for holds the waker that counts.
            self.0.insert(Box::new(AskedHandler::new(asks, cx)))
        };
        asked.poll(asks, cx, poll)
    }
}

impl AskedHandler {
    fn new(asks: &Asks, cx: &Context<'_>) -> Self {
        let waker =
            Arc::new(CountedWaker { call: Mutex::new(cx.waker().clone()), woken: AtomicBool::new(false) });
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

impl CountedWaker {
    fn call(&self) -> MutexGuard<'_, Waker> {
        // Nothing in here panics half-way, so it is whole even if poisoned.
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for CountedWaker {
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
