//! The trait for metrics.

use std::sync::Arc;
use std::time::Duration;

use super::{RefusalKind, RequestEnd, Target};
use crate::protocol::Revision;

/// Receives what happens in a manager, for metrics. Set by
/// [`ManagerBuilder::observer`](crate::manager::ManagerBuilder::observer).
///
/// Every method does nothing unless it is implemented. The methods run on the thread that serves
/// the request: they must be quick, and must not block. A panic is caught and logged.
///
/// No value that a client can invent is passed on as a name: methods are those that the server
/// knows, and tools those that the registry has. So each can be the label of a metric. The guide
/// "Observing" has the names of the metrics, and `examples/observed` is an implementation.
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
    /// A valid request begins. It is in flight until [`request_ended`](Self::request_ended).
    ///
    /// Each request of a batch counts. Notifications and answers to questions do not.
    fn request_started(&self, method: &'static str) {
        let _ = method;
    }

    /// A request has ended: its reply is complete, or was given up. A
    /// [detached](crate::Tool::detached) call may still run.
    fn request_ended(&self, request: &EndedRequest<'_>) {
        let _ = request;
    }

    /// A request was refused before it was served. Most refusals concern requests that were not
    /// started; bounds on listeners and calls are checked after the start, so those requests also end
    /// with an error.
    fn request_refused(&self, refusal: RefusalKind) {
        let _ = refusal;
    }

    /// The response of a request became a stream.
    fn stream_opened(&self, kind: StreamKind) {
        let _ = kind;
    }

    /// A stream has ended.
    fn stream_closed(&self, kind: StreamKind) {
        let _ = kind;
    }

    /// A call of the legacy era waits for its client's answer to a question. Questions of the
    /// modern era end their request, with [`RequestEnd::InputRequired`].
    fn question_parked(&self) {}

    /// A parked question waits no more.
    fn question_ended(&self, end: QuestionEnd) {
        let _ = end;
    }

    /// A task begins to run in this process: a call became a task, or was taken over from another
    /// replica.
    fn task_started(&self) {}

    /// A task no longer runs in this process.
    fn task_ended(&self, end: TaskEnd) {
        let _ = end;
    }
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EndedRequest<'a> {
    /// The method: `tools/call`, or `_OTHER` for one that the server does not know.
    pub method: &'static str,
    /// What a call named. `None` for other requests, and unless [`Registry::has`] says yes: else
    /// clients could invent names.
    ///
    /// [`Registry::has`]: crate::Registry::has
    pub target: Option<Target<'a>>,
    /// The revision of the protocol.
    pub revision: Revision,
    /// How it ended.
    pub end: RequestEnd,
    /// How long it took, from when its body had been read. A stream counts until its end.
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

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamKind {
    /// The notifications of a call, and its result.
    Call,
    /// The changes that a client listens to.
    Subscription,
}

impl StreamKind {
    /// Returns a name: `call` or `subscription`.
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
    /// Without one, in time.
    TimedOut,
    /// The call ended before.
    Abandoned,
}

impl QuestionEnd {
    /// Returns a name: `answered`, `timed_out` or `abandoned`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::TimedOut => "timed_out",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How a task that ran in this process ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskEnd {
    /// With a result, which may report an error.
    Completed,
    /// With an error.
    Failed,
    /// It was given back, for any replica to take up.
    Released,
    /// It was cancelled or deleted, another replica has it, or this process ends.
    Gone,
}

impl TaskEnd {
    /// Returns a name: `completed`, `failed`, `released` or `gone`.
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
