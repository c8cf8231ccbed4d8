//! Polls a call's work, and keeps what goes wrong in it to itself.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

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

    /// Hands a detached call to the runtime. What is left here only waits for it, while the
    /// server waits for the work itself before it shuts down. `exchange` is there when the
    /// handler took a context.
    pub(super) fn begin(&mut self, exchange: Option<&Arc<Exchange>>, drain: &Arc<Drain>) {
        if !self.is_detached {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (serving, exchange) = (drain.hold(), exchange.cloned());
        let mut detached = Self {
            work: self.work.take(),
            deadline: self.deadline.take(),
            name: self.name.take(),
            is_detached: true,
            #[cfg(feature = "ask")]
            idle: self.idle.take(),
        };
        let task = runtime.spawn(async move {
            let outcome = poll_fn(|cx| detached.poll(cx, exchange.as_deref())).await;
            drop(serving);
            outcome
        });
        let work = async move { task.await.unwrap_or_else(|_| Err(RpcError::internal().into())) };
        self.work = Some(Work::Boxed(Box::pin(work)));
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
        let polled = match &mut self.work {
            #[cfg(feature = "ask")]
            Some(Work::Boxed(work)) if exchange.is_some() => {
                poll_asking(work.as_mut(), self.idle.as_mut(), exchange, cx)
            }
            Some(Work::Boxed(work)) => poll_caught(work.as_mut(), cx),
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
                ready!(deadline.poll(cx));
                let limit = deadline.length();
                stopped(limit, exchange)
            }
        };
        self.stop();
        Poll::Ready(outcome)
    }
}

type Polled<T> = std::thread::Result<Poll<Result<T, CallError>>>;

fn poll_caught<T>(
    work: Pin<&mut (dyn Future<Output = Result<T, CallError>> + Send)>,
    cx: &mut Context<'_>,
) -> Polled<T> {
    catch_unwind(AssertUnwindSafe(|| work.poll(cx)))
}

/// Polls a handler that may ask. Whatever it returns, a question that has no answer ends the
/// call.
#[cfg(feature = "ask")]
fn poll_asking<T>(
    mut work: Pin<&mut (dyn Future<Output = Result<T, CallError>> + Send)>,
    idle: Option<&mut crate::ask::IdleDetector>,
    exchange: Option<&Exchange>,
    cx: &mut Context<'_>,
) -> Polled<T> {
    let (Some(idle), Some(exchange)) = (idle, exchange) else { return poll_caught(work, cx) };
    let polled = idle.poll(&exchange.asks, cx, |cx| match poll_caught(work.as_mut(), cx) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    match polled {
        Poll::Pending => Ok(Poll::Pending),
        Poll::Ready(None) => Ok(Poll::Ready(Err(unanswered()))),
        Poll::Ready(Some(Ok(Ok(_) | Err(CallError::Rpc(_))))) if exchange.asks.is_open() => {
            Ok(Poll::Ready(Err(unanswered())))
        }
        Poll::Ready(Some(outcome)) => outcome.map(Poll::Ready),
    }
}

/// What a call comes to whose time is over.
fn stopped<T: Output>(limit: Duration, exchange: Option<&Exchange>) -> Result<T, CallError> {
    #[cfg(feature = "ask")]
    if exchange.is_some_and(|exchange| exchange.asks.is_open()) {
        return Err(unanswered());
    }
    let _ = exchange;
    T::failed(format!("The call was stopped: it took longer than its limit of {limit:?}").into())
}

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
