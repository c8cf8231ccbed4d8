//! Counters of an upstream.

use std::sync::atomic::{AtomicU64, AtomicUsize};

/// Counters of one upstream; see [`UpstreamStats`](super::UpstreamStats).
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) dropped_logs: AtomicU64,
    pub(super) in_flight: AtomicUsize,
}
