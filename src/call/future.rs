//! The work of a call, as a registry returns it to the manager.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{CallError, GuardedCall, IntoOutput, Output, Surroundings};
#[cfg(feature = "tasks")]
use super::{TaskMode, TaskPolicy};
use crate::drain::Drain;
use crate::places::Place;

/// The work of one call, as a [`Registry`](crate::Registry) returns it to the manager. Its output
/// is a `T`, such as a [`ToolOutput`](crate::ToolOutput).
///
/// The manager polls it inside the request's future or the reply's body, so dropping either cancels
/// the work, unless the call is [detached](Self::detached).
///
/// A registry that wraps another changes the outcome with [`map_outcome`](Self::map_outcome), or
/// runs code before and after the call with [`wrap`](Self::wrap). Both keep the call's name, its
/// time limit, whether it is detached, and whether it runs as a task:
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
    /// Set if the work is detached: the drain that counts it if no manager does.
    pub(crate) detached: Option<Arc<Drain>>,
    /// The name in the log.
    pub(crate) name: Option<Arc<str>>,
    #[cfg(feature = "tasks")]
    pub(crate) task: TaskPolicy,
}

pub(super) enum CallWork<T> {
    /// `None` once it has been taken.
    Ready(Option<Result<T, CallError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>),
}

/// The time limit of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Limit {
    /// The manager's default.
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
    /// Creates a call that runs `work`.
    pub fn new<F>(work: F) -> Self
    where
        F: Future<Output: IntoOutput<T>> + Send + 'static,
    {
        Self::of(CallWork::Boxed(Box::pin(async move { work.await.into_output() })))
    }

    /// Creates a call that is already complete. Does not allocate.
    pub fn ready(result: Result<T, CallError>) -> Self {
        Self::of(CallWork::Ready(Some(result)))
    }

    /// Creates a call that ends with an error or with questions. Does not allocate by itself.
    pub fn refused(error: impl Into<CallError>) -> Self {
        Self::ready(Err(error.into()))
    }

    /// Maps the outcome. The call keeps its settings. If it is already complete, `change` runs at
    /// once.
    ///
    /// An `Err` is an error of the handler, a time limit that an inner registry set, or a refusal;
    /// see [`CallError`].
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

    /// Runs the call inside the future that `around` returns. The call keeps its settings; its time
    /// limit now covers that future.
    ///
    /// To refuse the call, `around` returns without polling the work.
    pub fn wrap<F, Fut>(self, around: F) -> Self
    where
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output: IntoOutput<T>> + Send + 'static,
    {
        let inner = Self { limit: Limit::Never, ..Self::of(self.work) };
        Self {
            limit: self.limit,
            detached: self.detached,
            name: self.name,
            #[cfg(feature = "tasks")]
            task: self.task,
            ..Self::new(around(inner))
        }
    }

    /// Holds a place among the calls in flight until the work has ended or is dropped.
    pub(crate) fn holding(mut self, place: Place) -> Self {
        if let CallWork::Boxed(work) = self.work {
            self.work = CallWork::Boxed(Box::pin(async move {
                let _place = place;
                work.await
            }));
        }
        self
    }

    /// Maps the result.
    pub(crate) fn map(self, change: impl FnOnce(T) -> T + Send + 'static) -> Self {
        self.map_outcome(|outcome| outcome.map(change))
    }

    fn of(work: CallWork<T>) -> Self {
        Self {
            work,
            limit: Limit::OfManager,
            detached: None,
            name: None,
            #[cfg(feature = "tasks")]
            task: TaskPolicy::default(),
        }
    }

    /// Sets the time limit, instead of the manager's
    /// [`tool_time_limit`](crate::manager::ManagerBuilder::tool_time_limit). After it the work is
    /// dropped, and the call fails with a message that names the limit. `None` sets no limit.
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = Limit::from(limit);
        self
    }

    /// Spawns the work on the Tokio runtime, where it runs to its end or its time limit even if the
    /// client disconnects.
    pub fn detached(mut self) -> Self {
        self.detached = Some(Arc::default());
        self
    }

    /// Sets whether the call runs as a task (feature `tasks`); see [`TaskMode`].
    #[cfg(feature = "tasks")]
    pub fn task_mode(mut self, mode: TaskMode) -> Self {
        self.task.mode = mode;
        self
    }

    /// Declares that the call may be repeated with the same arguments. If the replica that runs it as a
    /// task dies, another replica restarts it (feature `tasks`).
    #[cfg(feature = "tasks")]
    pub fn repeatable(mut self) -> Self {
        self.task.is_repeatable = true;
        self
    }

    /// Sets the name of the call for the log and for
    /// [`ManagerBuilder::on_error`](crate::manager::ManagerBuilder::on_error). The registries of this
    /// crate do so; the default is the name that the client called.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Waits for the outcome. For registries that wrap others.
///
/// The call's own time limit applies, and a detached call is spawned when it is first polled. The manager
/// only sees the outer future. Its time limit and its task mode apply, and dropping it cancels all inner work
/// that is not detached. To keep the settings of the inner call, use [`wrap`](CallFuture::wrap).
impl<T: Output> Future for CallFuture<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.limit, Limit::At(_)) || self.detached.is_some() {
            let call = std::mem::replace(&mut *self, Self::of(CallWork::Ready(None)));
            let mut guarded = GuardedCall::new(call, None);
            guarded.begin(None, None, "");
            let work = poll_fn(move |cx| guarded.poll(cx, Surroundings::default()));
            *self = Self { limit: Limit::Never, ..Self::of(CallWork::Boxed(Box::pin(work))) };
        }
        match &mut self.work {
            CallWork::Boxed(work) => work.as_mut().poll(cx),
            CallWork::Ready(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

// An outcome is moved out whole, and never pinned in place.
impl<T> Unpin for CallFuture<T> {}

impl<T> fmt::Debug for CallFuture<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallFuture").field("name", &self.name).finish_non_exhaustive()
    }
}
