//! Polls a call's work, and keeps what goes wrong in it to itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::failure::{log_error_result, log_rpc};
use super::future::{CallFuture, Limit, Ties, Work};
use super::{CallError, HandlerError, Output};
use crate::config::Settings;
use crate::deadline::Deadline;
use crate::drain::Drain;
use crate::rpc::RpcError;

/// A call under way: bounded in time, its panics caught, what goes wrong in it logged.
pub(crate) struct Running<T: Output> {
    /// `None` once it has ended.
    work: Option<Work<T>>,
    deadline: Option<Deadline>,
    name: Option<Arc<str>>,
    /// The task of a detached call.
    #[cfg_attr(not(feature = "ask"), expect(dead_code, reason = "nothing ends it before its time"))]
    task: Option<AbortHandle>,
}

impl<T: Output> Running<T> {
    /// Begins to run the future that `start` gives for a call of `target`; a panic in `start`
    /// is the tool's.
    pub(crate) fn start(target: &str, start: impl FnOnce() -> CallFuture<T>, settings: &Settings) -> Self {
        let future = catch_unwind(AssertUnwindSafe(start));
        let future = future.unwrap_or_else(|_| CallFuture::refused(HandlerError::panicked()));
        Self::new(future, target, settings.tool_time_limit, Some(&settings.drain))
    }

    /// Begins to run a future, within `limit` unless it has one itself. `target` stands for a
    /// name that it does not have.
    pub(super) fn new(
        future: CallFuture<T>,
        target: &str,
        limit: Option<Duration>,
        drain: Option<&Arc<Drain>>,
    ) -> Self {
        let limit = match future.limit {
            Limit::OfManager => limit,
            Limit::At(limit) => Some(limit),
            Limit::Never => None,
        };
        // A result that is there has nothing to tell.
        let is_fine = matches!(future.work, Work::Ready(Some(Ok(_))));
        let name = future.name.or_else(|| (!is_fine && !target.is_empty()).then(|| Arc::from(target)));
        let running = Self { work: Some(future.work), deadline: limit.map(Deadline::new), name, task: None };
        match future.ties {
            Ties::Bound => running,
            Ties::Detached(own) => running.detach(own.as_ref().or(drain)),
        }
    }

    /// Hands the work to the runtime; what is left here only waits for it, while the server
    /// waits for the work itself before it shuts down.
    fn detach(self, drain: Option<&Arc<Drain>>) -> Self {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return self };
        let (serving, name) = (drain.map(Drain::hold), self.name.clone());
        let task = runtime.spawn(async move {
            let outcome = self.await;
            drop(serving);
            outcome
        });
        let handle = task.abort_handle();
        let work = async move { task.await.unwrap_or_else(|_| Err(RpcError::internal().into())) };
        Self { work: Some(Work::Boxed(Box::pin(work))), deadline: None, name, task: Some(handle) }
    }

    /// The name of what is called, as far as it is known.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Logs an outcome in which something is wrong.
    #[cold]
    fn log(&self, outcome: &mut Result<T, CallError>) {
        match outcome {
            Ok(output) if output.is_error() => log_error_result(T::KIND, self.name()),
            Err(CallError::Failed(error)) => error.log(T::KIND, self.name()),
            Err(CallError::Rpc(error)) => log_rpc(T::KIND, self.name(), error),
            _ => {}
        }
    }

    /// Ends the call for good, even one that is detached.
    #[cfg(feature = "ask")]
    pub(super) fn abort(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.stop();
    }

    /// Drops the work, whose destructors may panic as well.
    fn stop(&mut self) {
        if let Some(work) = self.work.take()
            && catch_unwind(AssertUnwindSafe(|| drop(work))).is_err()
        {
            HandlerError::panicked().log(T::KIND, self.name());
        }
    }
}

impl<T: Output> Future for Running<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = match self.work.as_mut() {
            Some(Work::Boxed(work)) => catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))),
            Some(Work::Ready(outcome)) => match outcome.take() {
                Some(outcome) => Ok(Poll::Ready(outcome)),
                None => return Poll::Pending,
            },
            None => return Poll::Pending,
        };
        let mut outcome = match polled {
            Ok(Poll::Ready(outcome)) => outcome,
            Err(_) => Err(HandlerError::panicked().into()),
            Ok(Poll::Pending) => {
                let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                std::task::ready!(deadline.poll(cx));
                Err(HandlerError::timed_out(deadline.length()).into())
            }
        };
        if !matches!(&outcome, Ok(output) if !output.is_error()) {
            self.log(&mut outcome);
        }
        self.stop();
        Poll::Ready(outcome)
    }
}

// What a call ends with is handed over whole, never looked at in place.
impl<T: Output> Unpin for Running<T> {}

impl<T: Output> Drop for Running<T> {
    fn drop(&mut self) {
        self.stop();
    }
}
