//! A subscriber and an observer that do next to nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use mcp_stateless::observe::{EndedRequest, Observer};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Enables every span and every event, and discards them.
pub(crate) struct Discard;

impl Subscriber for Discard {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Counts requests.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Observer for Count {
    fn request_ended(&self, _: &EndedRequest<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
