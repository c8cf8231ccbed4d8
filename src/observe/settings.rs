//! The observers of a manager.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

#[cfg(feature = "ask")]
use super::QuestionEnd;
use super::{Observer, RefusalKind, line};
use crate::request::Rejection;

/// The maximum length of a logged refusal, in bytes.
const MAX_REFUSAL: usize = 512;

/// The observers of a manager. By default there is only the subscriber of `tracing`.
#[derive(Clone, Default)]
pub(crate) struct ObserveSettings {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "otel")]
    pub(crate) propagation: Option<Arc<dyn super::Propagation>>,
}

impl ObserveSettings {
    /// Calls the observer, if there is one.
    #[inline]
    pub(crate) fn tell(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            tell_caught(&**observer, tell);
        }
    }

    /// Logs and counts a refusal.
    #[cold]
    pub(crate) fn refused(&self, rejection: &Rejection) {
        let kind = RefusalKind::of(rejection);
        tracing::debug!(
            kind = kind.as_str(),
            reason = &*line(&rejection.to_string(), MAX_REFUSAL),
            "a request was refused"
        );
        self.tell(|observer| observer.request_refused(kind));
    }
}

/// Calls the host's observer, and catches panics.
pub(super) fn tell_caught(observer: &dyn Observer, tell: impl FnOnce(&dyn Observer)) {
    if catch_unwind(AssertUnwindSafe(|| tell(observer))).is_err() {
        tracing::error!("the observer panicked");
    }
}

impl fmt::Debug for ObserveSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ObserveSettings")
            .field("observer", &self.observer.is_some())
            .finish_non_exhaustive()
    }
}

/// A question that waits for an answer, until it is dropped.
#[cfg(feature = "ask")]
pub(crate) struct ParkedQuestion<'a> {
    settings: &'a ObserveSettings,
    end: QuestionEnd,
}

#[cfg(feature = "ask")]
impl<'a> ParkedQuestion<'a> {
    pub(crate) fn begin(settings: &'a ObserveSettings) -> Self {
        settings.tell(Observer::question_parked);
        Self { settings, end: QuestionEnd::Abandoned }
    }

    /// Sets how the question ended. Without this call, it counts as abandoned.
    pub(crate) fn end(mut self, end: QuestionEnd) {
        self.end = end;
    }
}

#[cfg(feature = "ask")]
impl Drop for ParkedQuestion<'_> {
    fn drop(&mut self) {
        self.settings.tell(|observer| observer.question_ended(self.end));
    }
}
