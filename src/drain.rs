//! Shutting down: counts requests in flight, and notifies listeners.

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::cells::Cells;
use crate::changes::{ChangeBus, LocalBus, Subscription};
use crate::deadline::Deadline;
use crate::places::Place;

const END: &str = "end";

/// Counts requests and listeners in flight.
///
/// Each thread counts on its own, because every request is counted; the counts are added up when
/// the server shuts down.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_closing: AtomicBool,
    /// Whether a shutdown was announced, although the server still serves.
    is_announced: AtomicBool,
    /// Whether running tasks must end immediately.
    #[cfg(feature = "tasks")]
    gives_up: AtomicBool,
    /// Whether there were tasks.
    #[cfg(feature = "tasks")]
    has_tasks: AtomicBool,
    counts: Cells<Counts>,
    /// Notified when something in flight ends while the server shuts down.
    ended: Notify,
    /// Notifies listening clients that the server shuts down.
    listeners: LocalBus,
}

/// How many have started and ended on one thread. They may end on another thread than they started on.
#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// Counts as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving<D: Deref<Target = Drain> = Arc<Drain>>(D);

/// Counts as in flight, and occupies a place among the listeners.
#[derive(Debug)]
pub(crate) struct ListenerGuard {
    _serving: Serving,
    _place: Place,
    /// Resolves when the server shuts down.
    pub(crate) end: Subscription,
}

impl Drain {
    /// Counts a new request, unless the server is shutting down.
    pub(crate) fn enter(&self) -> Option<Serving<&Self>> {
        // Counted before the check, so that no request slips in between.
        let serving = Serving::begin(self);
        (!self.is_closing()).then_some(serving)
    }

    /// Counts work that outlives its request.
    pub(crate) fn hold(self: &Arc<Self>) -> Serving {
        Serving::begin(Arc::clone(self))
    }

    /// Counts a task.
    #[cfg(feature = "tasks")]
    pub(crate) fn hold_task(self: &Arc<Self>) -> Serving {
        self.has_tasks.store(true, Ordering::SeqCst);
        self.hold()
    }

    /// Returns whether there were tasks.
    #[cfg(feature = "tasks")]
    pub(crate) fn has_tasks(&self) -> bool {
        self.has_tasks.load(Ordering::SeqCst)
    }

    /// Counts a new listener.
    pub(crate) fn listen(self: &Arc<Self>, place: Place) -> ListenerGuard {
        let end = self.listeners.subscribe(END);
        let listener = ListenerGuard { _serving: self.hold(), _place: place, end };
        if self.is_closing() {
            self.listeners.publish(END, Bytes::new());
        }
        listener
    }

    /// Refuses new requests, notifies the listeners, and waits until nothing is in flight, at most
    /// for `deadline`. Returns how many are still in flight.
    pub(crate) async fn close(&self, deadline: Duration) -> usize {
        self.is_closing.store(true, Ordering::SeqCst);
        self.listeners.publish(END, Bytes::new());
        let mut idle = pin!(async {
            loop {
                let ended = self.ended.notified();
                if self.in_flight() == 0 {
                    return;
                }
                ended.await;
            }
        });
        let mut deadline = Deadline::new(deadline);
        poll_fn(|cx| match idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => deadline.poll(cx),
        })
        .await;
        self.in_flight()
    }

    /// Announces that the server will shut down.
    pub(crate) fn announce(&self) {
        self.is_announced.store(true, Ordering::SeqCst);
    }

    /// Returns whether the server is shutting down, or has announced it.
    pub(crate) fn is_announced(&self) -> bool {
        self.is_closing() || self.is_announced.load(Ordering::SeqCst)
    }

    /// Subscribes to the phases of shutting down: look at [`is_closing`](Self::is_closing) and
    /// [`gives_up`](Self::gives_up) afterwards, and when something arrives.
    #[cfg(feature = "tasks")]
    pub(crate) fn watch(&self) -> Subscription {
        self.listeners.subscribe(END)
    }

    /// Ends all running tasks, because the process is about to stop.
    #[cfg(feature = "tasks")]
    pub(crate) fn give_up(&self) {
        self.gives_up.store(true, Ordering::SeqCst);
        self.listeners.publish(END, Bytes::new());
    }

    #[cfg(feature = "tasks")]
    pub(crate) fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::SeqCst)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    /// Returns how many are in flight; never 0 while some are.
    ///
    /// Both counts only grow. The ended ones are read first, so equal sums mean that nothing was
    /// in flight between the two readings. After the server has started to shut down, only work in flight
    /// can start more work, so nothing will be in flight later.
    fn in_flight(&self) -> usize {
        let sum = |count: fn(&Counts) -> &AtomicUsize| {
            let counts = self.counts.iter().map(|counts| count(counts).load(Ordering::SeqCst));
            counts.fold(0_usize, usize::wrapping_add)
        };
        let ended = sum(|counts| &counts.ended);
        sum(|counts| &counts.begun).wrapping_sub(ended)
    }
}

impl<D: Deref<Target = Drain>> Serving<D> {
    fn begin(drain: D) -> Self {
        drain.counts.here().begun.fetch_add(1, Ordering::SeqCst);
        Self(drain)
    }
}

impl<D: Deref<Target = Drain>> Drop for Serving<D> {
    fn drop(&mut self) {
        self.0.counts.here().ended.fetch_add(1, Ordering::SeqCst);
        if self.0.is_closing() {
            self.0.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::Drain;

    /// Requests are replaced by work that outlives them, on threads that come and go.
    #[tokio::test]
    async fn nothing_in_flight_is_missed_wherever_it_begins_and_ends() {
        for _ in 0..200 {
            let drain = Arc::new(Drain::default());
            let serving = drain.enter().expect("it is not closing");
            let mut held = drain.hold();
            drop(serving);
            let is_over = Arc::new(AtomicBool::new(false));
            let passing = std::thread::spawn({
                let (drain, is_over) = (Arc::clone(&drain), Arc::clone(&is_over));
                move || {
                    for _ in 0..20 {
                        let before = std::mem::replace(&mut held, drain.hold());
                        std::thread::spawn(|| drop(before)).join().expect("no panic");
                    }
                    is_over.store(true, Ordering::SeqCst);
                    drop(held);
                }
            });
            assert_eq!(drain.close(Duration::from_secs(60)).await, 0);
            assert!(is_over.load(Ordering::SeqCst));
            assert!(drain.enter().is_none());
            passing.join().expect("no panic");
        }
    }
}
