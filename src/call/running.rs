//! Polls a call's work, and keeps what goes wrong in it to itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::AbortHandle;

use super::future::{CallFuture, Limit, Work};
use super::{CallError, Output};
use crate::config::Settings;
use crate::deadline::Deadline;
use crate::drain::Drain;
use crate::rpc::RpcError;

/// A call under way: bounded in time, its panics caught.
pub(crate) struct Running<T> {
    /// `None` once it has ended.
    work: Option<Work<T>>,
    deadline: Option<Deadline>,
    name: Option<Arc<str>>,
    /// The task of a detached call.
    #[cfg_attr(not(feature = "ask"), expect(dead_code, reason = "nothing ends it before its time"))]
    task: Option<AbortHandle>,
}

impl<T: Output> Running<T> {
    /// Begins to run the future that `start` gives; a panic in `start` is the tool's.
    pub(crate) fn start(name: &str, start: impl FnOnce() -> CallFuture<T>, settings: &Settings) -> Self {
        let future = catch_unwind(AssertUnwindSafe(start)).unwrap_or_else(|_| {
            report_panic(Some(name));
            CallFuture::refused(RpcError::internal())
        });
        let limit = match future.limit {
            Limit::OfManager => settings.tool_time_limit,
            Limit::At(limit) => Some(limit),
            Limit::Never => None,
        };
        let deadline = limit.map(Deadline::new);
        let running = Self { work: Some(future.work), deadline, name: future.name, task: None };
        if future.is_detached { running.detach(&settings.drain) } else { running }
    }

    /// Hands the work to the runtime; what is left here only waits for it, while the server
    /// waits for the work itself before it shuts down.
    fn detach(self, drain: &Arc<Drain>) -> Self {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return self };
        let serving = drain.hold();
        let task = runtime.spawn(async move {
            let outcome = self.await;
            drop(serving);
            outcome
        });
        let handle = task.abort_handle();
        let work = async move { task.await.unwrap_or_else(|_| Err(RpcError::internal().into())) };
        Self { work: Some(Work::Boxed(Box::pin(work))), deadline: None, name: None, task: Some(handle) }
    }
}

impl<T> Running<T> {
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
            report_panic(self.name.as_deref());
        }
    }
}

impl<T: Output> Future for Running<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = match self.work.as_mut() {
            Some(Work::Boxed(work)) => catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))),
            Some(Work::Ready(outcome)) => return outcome.take().map_or(Poll::Pending, Poll::Ready),
            None => return Poll::Pending,
        };
        let outcome = match polled {
            Ok(Poll::Ready(outcome)) => outcome,
            Err(_) => {
                report_panic(self.name.as_deref());
                Err(RpcError::internal().into())
            }
            Ok(Poll::Pending) => {
                let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                std::task::ready!(deadline.poll(cx));
                let limit = deadline.length();
                T::failed(format!("The call was stopped: it took longer than its limit of {limit:?}").into())
            }
        };
        self.stop();
        Poll::Ready(outcome)
    }
}

// What a call ends with is handed over whole, never looked at in place.
impl<T> Unpin for Running<T> {}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The panic's own message has gone to the panic hook, and never goes to a client.
fn report_panic(name: Option<&str>) {
    tracing::error!(name, "a handler panicked");
}
