//! Shutting down: counts requests in flight, and notifies listeners.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::changes::{ChangeBus, LocalBus, Subscription};
use crate::deadline::Deadline;
use crate::places::Place;

const END: &str = "end";

/// Counts requests and listeners in flight.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_closing: AtomicBool,
    serving: AtomicUsize,
    idle: Notify,
    /// Notifies listening clients that the server shuts down.
    listeners: LocalBus,
}

/// Counts as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving(Arc<Drain>);

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
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Serving> {
        // Counted before the check, so that no request slips in between.
        let serving = self.hold();
        (!self.is_closing.load(Ordering::SeqCst)).then_some(serving)
    }

    /// Counts work that outlives its request.
    pub(crate) fn hold(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Ordering::SeqCst);
        Serving(Arc::clone(self))
    }

    /// Counts a new listener.
    pub(crate) fn listen(self: &Arc<Self>, place: Place) -> ListenerGuard {
        let end = self.listeners.subscribe(END);
        let listener = ListenerGuard { _serving: self.hold(), _place: place, end };
        if self.is_closing.load(Ordering::SeqCst) {
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
                let idle = self.idle.notified();
                if self.serving.load(Ordering::SeqCst) == 0 {
                    return;
                }
                idle.await;
            }
        });
        let mut deadline = Deadline::new(deadline);
        poll_fn(|cx| match idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => deadline.poll(cx),
        })
        .await;
        self.serving.load(Ordering::SeqCst)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.0.serving.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_closing.load(Ordering::SeqCst) {
            self.0.idle.notify_waiters();
        }
    }
}
