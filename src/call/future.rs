//! A call under way.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{CallError, IntoOutput, Output};

/// The work of one call, as a [`Registry`](crate::Registry) hands it to the manager; it
/// ends with a `T`, such as a [`ToolOutput`](crate::ToolOutput).
///
/// The manager polls it inside the request's own future or the reply's body, so
/// dropping either ends the work; see [`detached`](Self::detached) for the exception.
#[must_use]
pub struct CallFuture<T> {
    pub(super) work: Work<T>,
    pub(crate) limit: Limit,
    pub(crate) is_detached: bool,
    /// For the log.
    pub(crate) name: Option<Arc<str>>,
}

pub(super) enum Work<T> {
    /// `None` once it has been taken.
    Ready(Option<Result<T, CallError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>),
}

/// How long a tool may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Limit {
    /// As long as the manager says.
    #[default]
    OfManager,
    At(Duration),
    Never,
}

impl From<Option<Duration>> for Limit {
    fn from(limit: Option<Duration>) -> Self {
        limit.map_or(Self::Never, Self::At)
    }
}

impl<T: Output> CallFuture<T> {
    /// The call's work, which ends with its result.
    pub fn new<F>(work: F) -> Self
    where
        F: Future<Output: IntoOutput<T>> + Send + 'static,
    {
        Self::of(Work::Boxed(Box::pin(async move { work.await.into_output() })))
    }

    /// A call that is answered already. Costs no allocation.
    pub fn ready(result: Result<T, CallError>) -> Self {
        Self::of(Work::Ready(Some(result)))
    }

    /// A call that is answered by an error, or by questions. Costs no allocation.
    pub fn refused(error: impl Into<CallError>) -> Self {
        Self::ready(Err(error.into()))
    }

    /// The same call, with what `change` makes of its result.
    pub(crate) fn map(mut self, change: impl FnOnce(T) -> T + Send + 'static) -> Self {
        self.work = match self.work {
            Work::Ready(outcome) => Work::Ready(outcome.map(|outcome| outcome.map(change))),
            Work::Boxed(work) => Work::Boxed(Box::pin(async move { work.await.map(change) })),
        };
        self
    }

    fn of(work: Work<T>) -> Self {
        Self { work, limit: Limit::OfManager, is_detached: false, name: None }
    }

    /// Drops the work after `limit`, instead of after the manager's
    /// [`tool_time_limit`](crate::ManagerBuilder::tool_time_limit), and answers with a
    /// failure that names the limit. `None` sets no limit.
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = Limit::from(limit);
        self
    }

    /// Lets the work run to its end, or its time limit, even when the client goes
    /// away: it is spawned on the Tokio runtime.
    pub fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }
}

/// Waits for the result alone, so that a registry around another one can see it:
/// without limit, in the same task, and with no panic caught.
impl<T> Future for CallFuture<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.work {
            Work::Boxed(work) => work.as_mut().poll(cx),
            Work::Ready(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

// What a call ends with is handed over whole, never looked at in place.
impl<T> Unpin for CallFuture<T> {}

impl<T> fmt::Debug for CallFuture<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallFuture").field("name", &self.name).finish_non_exhaustive()
    }
}
