//! The observation of a task.

use std::sync::Arc;

use tracing::Span;

use super::settings::tell_caught;
use super::{ObserveSettings, Observer, TaskEnd, names};

/// The observation of a task that runs in this process.
pub(crate) struct ObservedTask {
    span: Span,
    observer: Option<Arc<dyn Observer>>,
    end: TaskEnd,
}

impl ObservedTask {
    /// Starts to observe a task of a tool. Its span follows from the current span, which ends earlier.
    pub(crate) fn begin(tool: &str, settings: &ObserveSettings) -> Self {
        let span = tracing::info_span!(
            target: "mcp_stateless::task",
            parent: None,
            "mcp.task",
            { names::TOOL } = tool,
        );
        span.follows_from(Span::current());
        let observer = settings.observer.clone();
        if let Some(observer) = &observer {
            tell_caught(&**observer, Observer::task_started);
        }
        Self { span, observer, end: TaskEnd::Gone }
    }

    /// Returns the span of the task.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Sets how the task ended. Without this call, it counts as gone.
    pub(crate) fn note(&mut self, end: TaskEnd) {
        self.end = end;
    }
}

impl Drop for ObservedTask {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            tell_caught(&**observer, |observer| observer.task_ended(self.end));
        }
    }
}
