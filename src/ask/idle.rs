//! Detects that a handler waits for nothing but answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Asks;
use crate::deadline::Deadline;

/// How long a handler must not have been woken if another task polls its questions.
const QUIET: Duration = Duration::from_secs(1);

/// Polls a handler until it is idle: one of its questions has no answer, and it waits for nothing
/// else.
///
/// From the first such question on, the handler is polled with a waker that counts its clones.
/// Everything that can wake the handler holds a clone, except a question that is polled with this
/// waker, because its answer does not arrive within this request. So the handler is idle if no
/// clone is left after a poll, and `cx.elicit(…).await` or a `join!` of questions ends the call at
/// once. While clones are left, the handler waits for something else and may continue for the
/// server's `question_grace`.
///
/// If a question is polled with another waker, for example in a `FuturesUnordered` or a spawned
/// task, some clones may belong to it. They cannot be told apart, so the handler then counts as
/// idle when it was not woken for a second.
///
/// A handler that drops a question without an answer, for example in a `select!` or by a timeout,
/// is idle as well. Otherwise it would continue as if the client had been asked and had not
/// answered.
#[derive(Default)]
pub(crate) struct IdleDetector(Option<Box<AskedHandler>>);

/// The state of a handler that has asked.
struct AskedHandler {
    waker: Arc<CountedWaker>,
    grace: Deadline,
    quiet: Deadline,
}

/// A waker that counts its clones, and wakes the call.
struct CountedWaker {
    call: Mutex<Waker>,
    woken: AtomicBool,
}

impl IdleDetector {
    /// Polls the handler. Returns `None` when it is idle.
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
            // Poll once more, so that everything it waits for holds the counting waker.
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
            // The call has ended, and the detached work waits for no answer.
            return Poll::Pending;
        }
        if asks.is_abandoned() {
            return Poll::Ready(None);
        }
        if let Some(waker) = Arc::get_mut(&mut self.waker) {
            // Dropping the last clone may have woken it after the poll.
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
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for CountedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        // Not under the lock, because a waker may run code that takes it.
        let call = self.call().clone();
        call.wake();
    }
}
