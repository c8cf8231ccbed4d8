//! Counts what happens to tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what happens to the tools.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<Counts>);

#[derive(Default)]
struct Counts {
    running: AtomicUsize,
    finished: AtomicUsize,
    sent: AtomicUsize,
    changed: Notify,
}

/// Counts as running until it is dropped.
pub(crate) struct Running(Probe);

impl Probe {
    pub(crate) fn run(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        Running(self.clone())
    }

    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    pub(crate) fn finished(&self) -> usize {
        self.0.finished.load(Ordering::SeqCst)
    }

    pub(crate) fn sent(&self) -> usize {
        self.0.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn finish(&self) {
        self.0.finished.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    pub(super) fn count_sent(&self) {
        self.0.sent.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until `reached` holds.
    pub(crate) async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.0.changed.notify_waiters();
    }
}
