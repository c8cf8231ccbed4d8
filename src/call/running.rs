//! Polls a call's work, and keeps what goes wrong in it to itself.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::future::{CallFuture, Limit, Work};
use super::{CallError, Exchange, Output};
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
    is_detached: bool,
    /// Of a call that runs here rather than in a task.
    #[cfg(feature = "ask")]
    idle: Option<crate::ask::IdleDetector>,
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
        Self {
            work: Some(future.work),
            deadline,
            name: future.name,
            is_detached: future.is_detached,
            #[cfg(feature = "ask")]
            idle: Some(crate::ask::IdleDetector::default()),
        }
    }

    /// Spawns the call, if it is detached. `exchange` is there when its handler took a context.
    pub(super) fn begin(self, exchange: Option<&Arc<Exchange>>, drain: &Arc<Drain>) -> Self {
        if self.is_detached { self.detach(exchange.cloned(), drain) } else { self }
    }

    /// Hands the work to the runtime; what is left here only waits for it, while the server
    /// waits for the work itself before it shuts down.
    fn detach(mut self, exchange: Option<Arc<Exchange>>, drain: &Arc<Drain>) -> Self {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return self };
        let serving = drain.hold();
        let task = runtime.spawn(async move {
            let outcome = poll_fn(|cx| self.poll(cx, exchange.as_deref())).await;
            drop(serving);
            outcome
        });
        let work = async move { task.await.unwrap_or_else(|_| Err(RpcError::internal().into())) };
        Self {
            work: Some(Work::Boxed(Box::pin(work))),
            deadline: None,
            name: None,
            is_detached: true,
            #[cfg(feature = "ask")]
            idle: None,
        }
    }
}

impl<T> Running<T> {
    /// Drops the work, whose destructors may panic as well.
    fn stop(&mut self) {
        if let Some(work) = self.work.take()
            && catch_unwind(AssertUnwindSafe(|| drop(work))).is_err()
        {
            report_panic(self.name.as_deref());
        }
    }
}

impl<T: Output> Running<T> {
    /// What the call comes to. Once that has been ready, it is pending for ever.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: Option<&Exchange>,
    ) -> Poll<Result<T, CallError>> {
        let outcome = match &mut self.work {
            Some(Work::Boxed(_)) => ready!(self.poll_bounded(cx, exchange)),
            Some(Work::Ready(outcome)) => return outcome.take().map_or(Poll::Pending, Poll::Ready),
            None => return Poll::Pending,
        };
        self.stop();
        Poll::Ready(outcome)
    }

    fn poll_bounded(
        &mut self,
        cx: &mut Context<'_>,
        exchange: Option<&Exchange>,
    ) -> Poll<Result<T, CallError>> {
        match self.poll_work(cx, exchange) {
            Poll::Ready(Ok(outcome)) => return Poll::Ready(outcome),
            Poll::Ready(Err(Panicked)) => {
                report_panic(self.name.as_deref());
                return Poll::Ready(Err(RpcError::internal().into()));
            }
            Poll::Pending => {}
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        ready!(deadline.poll(cx));
        #[cfg(feature = "ask")]
        if exchange.is_some_and(|exchange| exchange.asks.is_open()) {
            return Poll::Ready(Err(unanswered()));
        }
        let limit = deadline.length();
        Poll::Ready(T::failed(
            format!("The call was stopped: it took longer than its limit of {limit:?}").into(),
        ))
    }

    /// Polls the handler. In place of its result, a question that has no answer ends the call.
    fn poll_work(&mut self, cx: &mut Context<'_>, exchange: Option<&Exchange>) -> Poll<Polled<T>> {
        let Some(Work::Boxed(work)) = &mut self.work else { return Poll::Pending };
        let mut poll = |cx: &mut Context<'_>| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)))
        {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        };
        #[cfg(feature = "ask")]
        if let (Some(idle), Some(exchange)) = (&mut self.idle, exchange) {
            return match ready!(idle.poll(&exchange.asks, cx, poll)) {
                Some(Ok(Ok(_) | Err(CallError::Rpc(_)))) if exchange.asks.is_open() => {
                    Poll::Ready(Ok(Err(unanswered())))
                }
                Some(polled) => Poll::Ready(polled),
                None => Poll::Ready(Ok(Err(unanswered()))),
            };
        }
        let _ = exchange;
        poll(cx)
    }
}

type Polled<T> = Result<Result<T, CallError>, Panicked>;

/// The handler panicked.
struct Panicked;

/// Ends a call with the questions that have no answer.
#[cfg(feature = "ask")]
fn unanswered() -> CallError {
    crate::ask::InputRequired::new().into()
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The panic's own message has gone to the panic hook, and never goes to a client.
fn report_panic(name: Option<&str>) {
    tracing::error!(name, "a handler panicked");
}
