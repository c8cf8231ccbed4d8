//! The trait for metrics.

use std::sync::Arc;
use std::time::Duration;

use super::{RefusalKind, RequestEnd, Target};
use crate::protocol::Revision;

/// Receives the events of a manager, for metrics. Set with
/// [`ManagerBuilder::observer`](crate::manager::ManagerBuilder::observer).
///
/// By default, each method does nothing. The methods are called on the thread that serves the request, so
/// they must be fast and must not block. A panic is caught and logged.
///
/// Clients cannot create new names: methods are those that the server knows, and tools and prompts are
/// those that the registry has. They can therefore be labels of metrics. The guide "Observing" lists the
/// names of the metrics, and `examples/observed` is an implementation.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use mcp_stateless::StatelessSessionManager;
/// use mcp_stateless::observe::{EndedRequest, Observer};
///
/// #[derive(Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn request_ended(&self, request: &EndedRequest<'_>) {
///         if request.end.error_type().is_some() {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let manager = StatelessSessionManager::builder("math", "1.0.0").observer(Failures::default()).build()?;
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Called when a valid request starts. It is in flight until
    /// [`request_ended`](Self::request_ended) is called.
    ///
    /// Each request of a batch counts. Notifications and answers to questions do not count.
    fn request_started(&self, method: &'static str) {
        let _ = method;
    }

    /// Called when a request has ended: its reply is complete or was cancelled. A
    /// [detached](crate::Tool::detached) call may still run.
    fn request_ended(&self, request: &EndedRequest<'_>) {
        let _ = request;
    }

    /// Called when a request is refused. Most requests are refused before they start. The limits of
    /// listeners and calls are checked later, so [`request_started`](Self::request_started) and
    /// [`request_ended`](Self::request_ended) are also called for the requests that exceed them.
    fn request_refused(&self, refusal: RefusalKind) {
        let _ = refusal;
    }

    /// Called when the response to a request becomes a stream.
    fn stream_opened(&self, kind: StreamKind) {
        let _ = kind;
    }

    /// Called when a stream has ended.
    fn stream_closed(&self, kind: StreamKind) {
        let _ = kind;
    }

    /// Called when a call of the legacy era starts to wait for its client's answer to a question. In the
    /// modern era, a question ends its request with [`RequestEnd::InputRequired`] instead.
    fn question_parked(&self) {}

    /// Called when a parked question no longer waits.
    fn question_ended(&self, end: QuestionEnd) {
        let _ = end;
    }

    /// Called when this process starts to run a task: a call has become a task, or a task was taken over
    /// from another replica.
    fn task_started(&self) {}

    /// Called when this process stops running a task.
    fn task_ended(&self, end: TaskEnd) {
        let _ = end;
    }
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EndedRequest<'a> {
    /// The method, such as `tools/call`, or `_OTHER` if the server does not know it.
    pub method: &'static str,
    /// The tool, prompt or resource of a call. `None` for other requests, and if [`Registry::has`] does
    /// not return [`Has::Yes`], because clients could otherwise create new names.
    ///
    /// [`Registry::has`]: crate::Registry::has
    /// [`Has::Yes`]: crate::registry::Has::Yes
    pub target: Option<Target<'a>>,
    /// The revision of the protocol.
    pub revision: Revision,
    /// How the request ended.
    pub end: RequestEnd,
    /// The time from when the body had been read until the reply was complete, which for a stream is its
    /// end.
    pub duration: Duration,
}

impl<'a> EndedRequest<'a> {
    pub(super) fn new(
        method: &'static str,
        target: Option<Target<'a>>,
        revision: Revision,
        end: RequestEnd,
        duration: Duration,
    ) -> Self {
        Self { method, target, revision, end, duration }
    }
}

/// The kind of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamKind {
    /// The notifications and the result of a call.
    Call,
    /// The changes of a subscription (`subscriptions/listen`).
    Subscription,
}

impl StreamKind {
    /// Returns the name of the kind: `call` or `subscription`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Subscription => "subscription",
        }
    }
}

/// How a parked question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuestionEnd {
    /// With an answer of the client, which may be an error.
    Answered,
    /// Without an answer within the time limit.
    TimedOut,
    /// The call ended before the client answered.
    Abandoned,
}

impl QuestionEnd {
    /// Returns the name of the end: `answered`, `timed_out` or `abandoned`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::TimedOut => "timed_out",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why this process has stopped running a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskEnd {
    /// The task has a result, which may have `isError`.
    Completed,
    /// The task failed with a JSON-RPC error.
    Failed,
    /// The task was released, so that any replica can continue it.
    Released,
    /// The task was cancelled or deleted, another replica has taken it over, or this process stops.
    Gone,
}

impl TaskEnd {
    /// Returns the name of the end: `completed`, `failed`, `released` or `gone`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Released => "released",
            Self::Gone => "gone",
        }
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn request_started(&self, method: &'static str) {
        (**self).request_started(method);
    }

    fn request_ended(&self, request: &EndedRequest<'_>) {
        (**self).request_ended(request);
    }

    fn request_refused(&self, refusal: RefusalKind) {
        (**self).request_refused(refusal);
    }

    fn stream_opened(&self, kind: StreamKind) {
        (**self).stream_opened(kind);
    }

    fn stream_closed(&self, kind: StreamKind) {
        (**self).stream_closed(kind);
    }

    fn question_parked(&self) {
        (**self).question_parked();
    }

    fn question_ended(&self, end: QuestionEnd) {
        (**self).question_ended(end);
    }

    fn task_started(&self) {
        (**self).task_started();
    }

    fn task_ended(&self, end: TaskEnd) {
        (**self).task_ended(end);
    }
}
