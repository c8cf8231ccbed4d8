//! A call's work, before the manager runs it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{CallError, GuardedCall, IntoOutput, Output};
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
/// use mcp_stateless::call::{Call, CallFuture};
/// use mcp_stateless::{Registry, ToolOutput};
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
    pub(super) work: CallWork<T>,
    pub(crate) limit: Limit,
    /// There when the work runs to its end whatever happens to its client: what waits for it
    /// when the server shuts down, unless the manager that starts it does.
    pub(crate) detached: Option<Arc<Drain>>,
    /// For the log.
    pub(crate) name: Option<Arc<str>>,
}

pub(super) enum CallWork<T> {
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
        Self::of(CallWork::Boxed(Box::pin(async move { work.await.into_output() })))
    }

    /// A call that is answered already. Costs no allocation.
    pub fn ready(result: Result<T, CallError>) -> Self {
        Self::of(CallWork::Ready(Some(result)))
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
            CallWork::Ready(outcome) => CallWork::Ready(outcome.map(change)),
            CallWork::Boxed(work) => CallWork::Boxed(Box::pin(async move { change(work.await) })),
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
        Self { limit: self.limit, detached: self.detached, name: self.name, ..Self::new(around(inner)) }
    }

    /// The same call, with what `change` makes of its result.
    pub(crate) fn map(self, change: impl FnOnce(T) -> T + Send + 'static) -> Self {
        self.map_outcome(|outcome| outcome.map(change))
    }

    fn of(work: CallWork<T>) -> Self {
        Self { work, limit: Limit::OfManager, detached: None, name: None }
    }

    /// Drops the work after `limit`, instead of after the manager's
    /// [`tool_time_limit`](crate::manager::ManagerBuilder::tool_time_limit), and answers with a
    /// failure that names the limit. `None` sets no limit.
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = Limit::from(limit);
        self
    }

    /// Lets the work run to its end, or its time limit, even when the client goes
    /// away: it is spawned on the Tokio runtime.
    pub fn detached(mut self) -> Self {
        self.detached = Some(Arc::default());
        self
    }

    /// Names the call in the log, and to the hook of
    /// [`ManagerBuilder::on_error`](crate::manager::ManagerBuilder::on_error). The registries of this
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
        if matches!(self.limit, Limit::At(_)) || self.detached.is_some() {
            let call = std::mem::replace(&mut *self, Self::of(CallWork::Ready(None)));
            let mut guarded = GuardedCall::new(call, "", None);
            guarded.begin(None, None);
            let work = poll_fn(move |cx| guarded.poll(cx, None));
            *self = Self { limit: Limit::Never, ..Self::of(CallWork::Boxed(Box::pin(work))) };
        }
        match &mut self.work {
            CallWork::Boxed(work) => work.as_mut().poll(cx),
            CallWork::Ready(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
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
