//! A call under way.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{IntoToolOutput, ToolOutput};
use crate::rpc::RpcError;

pub(super) type Outcome = Result<ToolOutput, RpcError>;

/// The work of one call, as [`Registry::call_tool`](crate::Registry::call_tool)
/// hands it to the manager.
///
/// The manager polls it inside the request's own future or the reply's body, so
/// dropping either ends the work; see [`detached`](Self::detached) for the exception.
#[must_use]
pub struct ToolFuture {
    pub(super) work: Work,
    pub(super) limit: Limit,
    pub(super) is_detached: bool,
    /// For the log.
    pub(super) tool: Option<Arc<str>>,
}

pub(super) enum Work {
    /// `None` once it has been taken.
    Ready(Option<Outcome>),
    Boxed(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

/// How long a tool may take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Limit {
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

impl ToolFuture {
    /// The call's work, which ends with its result.
    pub fn new<F>(work: F) -> Self
    where
        F: Future<Output: IntoToolOutput> + Send + 'static,
    {
        Self::of(Work::Boxed(Box::pin(async move { work.await.into_tool_output() })))
    }

    /// A call that is answered already: refused, say. Costs no allocation.
    pub fn ready(result: Result<ToolOutput, RpcError>) -> Self {
        Self::of(Work::Ready(Some(result)))
    }

    fn of(work: Work) -> Self {
        Self { work, limit: Limit::OfManager, is_detached: false, tool: None }
    }

    /// Drops the work after `limit`, instead of after the manager's
    /// [`tool_time_limit`](crate::ManagerBuilder::tool_time_limit), and answers
    /// with `isError` and a text that names the limit. `None` sets no limit.
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
impl Future for ToolFuture {
    type Output = Result<ToolOutput, RpcError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.work {
            Work::Boxed(work) => work.as_mut().poll(cx),
            Work::Ready(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

impl fmt::Debug for ToolFuture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ToolFuture").field("tool", &self.tool).finish_non_exhaustive()
    }
}
