//! Who observes a workload: a subscriber and an observer that do next to nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use mcp_stateless::observe::{EndedRequest, Observer};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Metadata, Subscriber};

/// Who observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Nobody.
    Not,
    /// A subscriber that enables every span and every event, and discards them.
    Discarded,
    /// An observer that counts requests.
    Counted,
}

impl Observed {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Not, Self::Discarded, Self::Counted];

    /// What the name of a workload begins with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Not => "",
            Self::Discarded => "discarded/",
            Self::Counted => "counted/",
        }
    }

    /// Begins to observe this process.
    ///
    /// # Errors
    /// When it is observed already.
    pub fn begin(self) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
        if self == Self::Discarded { set_global_default(Discard) } else { Ok(()) }
    }
}

struct Discard;

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
