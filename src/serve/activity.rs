//! The activity of a connection, as far as its bounds depend on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts events on one connection. Only the connection's tasks write to it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// How many requests have started, and how many are being answered.
    requests: AtomicUsize,
    in_flight: AtomicUsize,
    /// How often bytes have arrived, in total and when the last request was answered.
    reads: AtomicUsize,
    settled_reads: AtomicUsize,
    /// Bytes wait for a peer that does not read.
    is_blocked: AtomicBool,
    is_multiplexed: AtomicBool,
}

/// A request that is being answered, until its response's body is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>, version: http::Version) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if version == http::Version::HTTP_2 {
            self.is_multiplexed.store(true, Ordering::Relaxed);
        }
        InFlight(Arc::clone(self))
    }

    pub(super) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn block(&self, is_blocked: bool) {
        self.is_blocked.store(is_blocked, Ordering::Relaxed);
    }

    /// Whether the connection still has to answer its peer.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0 || self.is_blocked.load(Ordering::Relaxed)
    }

    /// Whether bytes have arrived since the last request was answered, so that the next head is
    /// incomplete. In HTTP/2 these bytes may belong to no request.
    pub(super) fn has_partial_head(&self) -> bool {
        let settled_reads = self.settled_reads.load(Ordering::Relaxed);
        self.reads.load(Ordering::Relaxed) != settled_reads && !self.is_multiplexed.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.settled_reads.store(self.0.reads.load(Ordering::Relaxed), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
