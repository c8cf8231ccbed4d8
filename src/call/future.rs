//! A call's work, before the manager runs it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{CallError, IntoOutput, Output, Running};
use crate::drain::Drain;

/// The work of one call, as a [`Registry`](crate::Registry) hands it to the manager; it
/// ends with a `T`, such as a [`ToolOutput`](crate::ToolOutput).
///
/// The manager polls it inside the request's own future or the reply's body, so
/// dropping either ends the work; see [`detached`](Self::detached) for the exception.
///
/// A registry around another one changes what comes out by [`map_outcome`](Self::map_outcome),
/// or puts work before and after by [`wrap`](Self::wrap). Both keep the time limit, the
/// detachment and the name of the call:
///
/// ```
/// use std::time::Instant;
///
/// use mcp_stateless::{Call, CallFuture, Registry, ToolOutput};
///
/// fn timed(registry: &impl Registry, call: Call<'_>) -> CallFuture<ToolOutput> {
///     let name = call.target().to_owned();
///     registry.call_tool(call).wrap(async move |work| {
///         let start = Instant::now();
///         let outcome = work.await;
///         println!("{name}: {:?}, failed: {}", start.elapsed(), outcome.is_err());
///         outcome
///     })
/// }
/// ```
#[must_use]
pub struct CallFuture<T> {
    pub(super) work: Work<T>,
    pub(crate) limit: Limit,
    pub(super) ties: Ties,
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

/// Whether the work ends with its client.
pub(super) enum Ties {
    Bound,
    /// Runs to its end. The server waits for it when it shuts down, if it is known which.
    Detached(Option<Arc<Drain>>),
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

    /// Returns the same call, which ends with what `change` makes of its outcome. Its time
    /// limit, its detachment and its name stay. A call that is answered already is changed at
    /// once.
    ///
    /// An `Err` is an error of the handler, a time-out that a registry within has set, or a
    /// refusal: see [`CallError`].
    pub fn map_outcome(
        mut self,
        change: impl FnOnce(Result<T, CallError>) -> Result<T, CallError> + Send + 'static,
    ) -> Self {
        self.work = match self.work {
            Work::Ready(outcome) => Work::Ready(outcome.map(change)),
            Work::Boxed(work) => Work::Boxed(Box::pin(async move { change(work.await) })),
        };
        self
    }

    /// Returns the same call, run inside the future that `around` makes of it. Its time limit,
    /// which is then that of the whole, its detachment and its name stay.
    ///
    /// `around` need not poll the work: by returning without it, it refuses the call.
    pub fn wrap<F, Fut>(self, around: F) -> Self
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output: IntoOutput<T>> + Send + 'static,
    {
        let inner = Self { limit: Limit::Never, ..Self::of(self.work) };
        Self { limit: self.limit, ties: self.ties, name: self.name, ..Self::new(around(inner)) }
    }

    /// The same call, with what `change` makes of its result.
    pub(crate) fn map(self, change: impl FnOnce(T) -> T + Send + 'static) -> Self {
        self.map_outcome(|outcome| outcome.map(change))
    }

    fn of(work: Work<T>) -> Self {
        Self { work, limit: Limit::OfManager, ties: Ties::Bound, name: None }
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
        self.ties = Ties::Detached(None);
        self
    }

    /// The same for a server that waits for the work when it shuts down, whoever polls it.
    pub(crate) fn detached_in(mut self, drain: Arc<Drain>) -> Self {
        self.ties = Ties::Detached(Some(drain));
        self
    }

    /// Names the call in the log, and to the hook of
    /// [`ManagerBuilder::on_error`](crate::ManagerBuilder::on_error). The registries of this
    /// crate do it; without a name, a call is known by what the client called.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Waits for the outcome, so that a registry around another one can see it.
///
/// A time limit of the call itself holds, and a detached call is spawned when it is first
/// polled. Neither can make up for the manager, which knows only the future that it is handed:
/// its own time limit bounds that one, and dropping that one ends all within that is not
/// detached. [`wrap`](CallFuture::wrap) hands the settings on.
impl<T: Output> Future for CallFuture<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.limit, Limit::At(_)) || matches!(self.ties, Ties::Detached(_)) {
            let call = std::mem::replace(&mut *self, Self::of(Work::Ready(None)));
            let running = Running::new(call, "", None, None);
            *self = Self { limit: Limit::Never, ..Self::of(Work::Boxed(Box::pin(running))) };
        }
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
