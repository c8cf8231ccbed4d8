//! Polls a call's work, and contains its failures.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
#[cfg(feature = "tasks")]
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(feature = "tasks")]
use super::TaskPolicy;
#[cfg(feature = "auth")]
use super::failure::log_refused;
use super::failure::{log_error_result, log_rpc};
use super::future::{CallFuture, CallWork, Limit};
use super::{CallError, ErrorMaps, Exchange, HandlerError, Output};
use crate::deadline::Deadline;
use crate::drain::Drain;
use crate::jsonrpc::RpcError;
use crate::settings::Settings;

/// A call in flight. It limits the time of the work, catches panics, and logs failures.
pub(crate) struct GuardedCall<T: Output> {
    /// `None` once the call has ended.
    work: Option<CallWork<T>>,
    deadline: Option<Deadline>,
    /// The name that the registry gave, or the one that was [kept](Self::keep_name).
    name: Option<Arc<str>>,
    /// Set until a detached call is spawned: the drain that counts it if no manager does.
    detached: Option<Arc<Drain>>,
    /// `None` once the work has moved into a spawned task.
    #[cfg(feature = "ask")]
    idle: Option<crate::ask::IdleDetector>,
    #[cfg(feature = "tasks")]
    task: CallAsTask,
}

/// The data that is needed if a call becomes a task.
#[cfg(feature = "tasks")]
#[derive(Default)]
struct CallAsTask {
    policy: TaskPolicy,
    /// Whether the call has set no time limit.
    has_default_limit: bool,
    /// Shared by a detached call and its spawned work.
    detached: Option<Arc<DetachedWork>>,
    /// Whether this is the spawned work.
    is_spawned: bool,
}

#[cfg(feature = "tasks")]
impl CallAsTask {
    /// Returns whether this is the work of a detached call that has become a task.
    fn is_limited_elsewhere(&self) -> bool {
        self.is_spawned && self.detached.as_ref().is_some_and(|work| work.is_task.load(Ordering::Relaxed))
    }
}

/// The state that a detached call and its spawned work share.
#[cfg(feature = "tasks")]
#[derive(Default)]
struct DetachedWork {
    /// The time limit that the call has set, which the work keeps.
    own_limit: Option<Duration>,
    /// Ends the work.
    abort: std::sync::OnceLock<tokio::task::AbortHandle>,
    /// Whether the call has become a task, whose time limit replaces that of the work.
    is_task: std::sync::atomic::AtomicBool,
}

/// The values that a call borrows when it is polled.
#[derive(Clone, Copy, Default)]
pub(crate) struct Surroundings<'a> {
    /// `None` if the handler takes no context.
    pub(crate) exchange: Option<&'a Exchange>,
    /// `None` if the host has none.
    pub(crate) error_maps: Option<&'a ErrorMaps>,
    /// The name of the target while the body is there, and empty afterwards.
    pub(crate) target: &'a str,
}

impl<T: Output> GuardedCall<T> {
    /// Starts the call that `start` returns. A panic in `start` counts as the handler's.
    pub(crate) fn start(start: impl FnOnce() -> CallFuture<T>, settings: &Settings) -> Self {
        let future = catch_unwind(AssertUnwindSafe(start));
        let future = future.unwrap_or_else(|_| CallFuture::refused(HandlerError::panicked()));
        Self::new(future, settings.tool_time_limit)
    }

    /// Starts a call. `limit` is the default for its time limit.
    pub(super) fn new(future: CallFuture<T>, limit: Option<Duration>) -> Self {
        let limit = match future.limit {
            Limit::OfManager => limit,
            Limit::At(limit) => Some(limit),
            Limit::Never => None,
        };
        Self {
            work: Some(future.work),
            deadline: limit.map(Deadline::new),
            name: future.name,
            detached: future.detached,
            #[cfg(feature = "ask")]
            idle: Some(crate::ask::IdleDetector::default()),
            #[cfg(feature = "tasks")]
            task: CallAsTask {
                policy: future.task,
                has_default_limit: !matches!(future.limit, Limit::At(_)),
                ..CallAsTask::default()
            },
        }
    }

    /// Returns how the call runs as a task.
    #[cfg(feature = "tasks")]
    pub(crate) fn task_policy(&self) -> TaskPolicy {
        self.task.policy
    }

    /// Returns the time limit that the call has set.
    #[cfg(feature = "tasks")]
    pub(crate) fn own_limit(&self) -> Option<Duration> {
        if let Some(detached) = &self.task.detached {
            return detached.own_limit;
        }
        let limit = self.deadline.as_ref().map(Deadline::length);
        limit.filter(|_| !self.task.has_default_limit)
    }

    /// Moves the call out, and leaves one that stays pending.
    #[cfg(feature = "tasks")]
    pub(crate) fn hold(&mut self) -> Self {
        Self {
            work: self.work.take(),
            deadline: self.deadline.take(),
            name: self.name.clone(),
            detached: self.detached.take(),
            idle: self.idle.take(),
            task: std::mem::take(&mut self.task),
        }
    }

    /// Moves the call out, to continue as a task. `limit` is its time limit, unless it has set a shorter
    /// one. It is no longer detached: dropping it cancels the work.
    #[cfg(feature = "tasks")]
    pub(crate) fn take(&mut self, limit: Duration) -> Self {
        let own = self.own_limit();
        let mut call = self.hold();
        call.detached = None;
        if own.is_none_or(|own| limit < own) {
            call.deadline = Some(Deadline::new(limit));
            if let Some(detached) = &call.task.detached {
                detached.is_task.store(true, Ordering::Relaxed);
            }
        }
        call
    }

    /// Cancels the work, including the spawned work of a detached call.
    #[cfg(feature = "tasks")]
    pub(crate) fn cancel(&mut self) {
        if let Some(detached) = self.task.detached.take()
            && let Some(work) = detached.abort.get()
        {
            work.abort();
        }
        self.stop("");
    }

    /// Keeps a copy of the target's name, unless the registry gave another one, for a call that
    /// outlives the request's body.
    pub(crate) fn keep_name(&mut self, target: &str) {
        if self.name.is_none() && !target.is_empty() {
            self.name = Some(target.into());
        }
    }

    /// Spawns the work of a detached call; afterwards this call only waits for the task. Until the
    /// task ends it is counted by the manager's drain, or else by the registry's.
    ///
    /// `exchange` is set if the handler takes a context, and `settings` if a manager starts the call
    /// of `target`.
    pub(crate) fn begin(
        &mut self,
        exchange: Option<&Arc<Exchange>>,
        settings: Option<&Settings>,
        target: &str,
    ) {
        if let Some(own) = self.detached.take() {
            self.keep_name(target);
            self.detach(&own, exchange, settings);
        }
    }

    #[cold]
    fn detach(&mut self, own: &Arc<Drain>, exchange: Option<&Arc<Exchange>>, settings: Option<&Settings>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let serving = settings.map_or(own, |settings| &settings.drain).hold();
        let error_maps = settings.and_then(|settings| settings.error_maps.clone());
        let exchange = exchange.cloned();
        #[cfg(feature = "tasks")]
        let shared = Arc::new(DetachedWork { own_limit: self.own_limit(), ..DetachedWork::default() });
        let mut detached = Self {
            work: self.work.take(),
            deadline: self.deadline.take(),
            name: self.name.clone(),
            detached: None,
            #[cfg(feature = "ask")]
            idle: self.idle.take(),
            #[cfg(feature = "tasks")]
            task: CallAsTask {
                detached: Some(Arc::clone(&shared)),
                is_spawned: true,
                ..CallAsTask::default()
            },
        };
        // The span of the request, which the spawned work may outlive.
        let span = tracing::Span::current();
        let task = runtime.spawn(async move {
            let surroundings =
                Surroundings { exchange: exchange.as_deref(), error_maps: error_maps.as_deref(), target: "" };
            let outcome = poll_fn(|cx| span.in_scope(|| detached.poll(cx, surroundings))).await;
            drop(serving);
            outcome
        });
        #[cfg(feature = "tasks")]
        {
            let _ = shared.abort.set(task.abort_handle());
            self.task.detached = Some(shared);
        }
        let work = async move { task.await.unwrap_or_else(|_| Err(RpcError::internal().into())) };
        self.work = Some(CallWork::Boxed(Box::pin(work)));
    }

    /// Returns the name of the target: the one that the registry gave, or else `target`.
    pub(crate) fn name<'n>(&'n self, target: &'n str) -> &'n str {
        self.name.as_deref().unwrap_or(target)
    }

    /// Applies the host's error maps, and logs a failure.
    #[cold]
    fn log(&self, outcome: &mut Result<T, CallError>, surroundings: Surroundings<'_>) {
        if let Some(maps) = surroundings.error_maps
            && matches!(outcome, Err(CallError::Failed(error)) if error.is_undeclared())
        {
            let failed = std::mem::replace(outcome, Err(RpcError::internal().into()));
            *outcome = failed.map_err(|error| match error {
                CallError::Failed(error) => error.mapped(maps),
                other => other,
            });
        }
        let name = self.name(surroundings.target);
        match outcome {
            Ok(output) if output.is_error() => log_error_result(T::KIND, name),
            Err(CallError::Failed(error)) => error.log(T::KIND, name),
            Err(CallError::Rpc(error)) => log_rpc(T::KIND, name, error),
            #[cfg(feature = "auth")]
            Err(CallError::InsufficientScope(missing)) => log_refused(T::KIND, name, missing),
            _ => {}
        }
    }

    /// Drops the work. Its destructors may panic.
    pub(crate) fn stop(&mut self, target: &str) {
        // In place, because moving the work is expensive. It is gone even if a destructor panics.
        if self.work.is_some() && catch_unwind(AssertUnwindSafe(|| self.work = None)).is_err() {
            HandlerError::panicked().log(T::KIND, self.name(target));
        }
    }

    /// Polls for the outcome. After it has been ready once, it stays pending.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        surroundings: Surroundings<'_>,
    ) -> Poll<Result<T, CallError>> {
        let exchange = surroundings.exchange;
        let mut polled = match &mut self.work {
            #[cfg(feature = "ask")]
            Some(CallWork::Boxed(work)) if exchange.is_some() => {
                poll_asking(work.as_mut(), self.idle.as_mut(), exchange, cx)
            }
            Some(CallWork::Boxed(work)) => {
                poll_caught(work.as_mut(), cx).unwrap_or_else(|_| Poll::Ready(panicked()))
            }
            Some(CallWork::Ready(outcome)) => match outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => return Poll::Pending,
            },
            None => return Poll::Pending,
        };
        if polled.is_pending() {
            let Some(deadline) = &mut self.deadline else { return Poll::Pending };
            ready!(deadline.poll(cx));
            let limit = deadline.length();
            #[cfg(feature = "tasks")]
            if self.task.is_limited_elsewhere() {
                self.deadline = None;
                return Poll::Pending;
            }
            polled = Poll::Ready(Err(stopped(limit, exchange)));
        }
        if let Poll::Ready(outcome) = &mut polled
            && !matches!(outcome, Ok(output) if !output.is_error())
        {
            self.log(outcome, surroundings);
        }
        self.stop(surroundings.target);
        polled
    }
}

/// Polls the work. An error is a panic.
fn poll_caught<T>(
    work: Pin<&mut (dyn Future<Output = Result<T, CallError>> + Send)>,
    cx: &mut Context<'_>,
) -> std::thread::Result<Poll<Result<T, CallError>>> {
    catch_unwind(AssertUnwindSafe(|| work.poll(cx)))
}

fn panicked<T>() -> Result<T, CallError> {
    Err(HandlerError::panicked().into())
}

/// Polls a handler that may ask. While a question is open, the call ends with the question,
/// whatever the handler returns.
#[cfg(feature = "ask")]
fn poll_asking<T>(
    mut work: Pin<&mut (dyn Future<Output = Result<T, CallError>> + Send)>,
    idle: Option<&mut crate::ask::IdleDetector>,
    exchange: Option<&Exchange>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, CallError>> {
    let (Some(idle), Some(exchange)) = (idle, exchange) else {
        return poll_caught(work, cx).unwrap_or_else(|_| Poll::Ready(panicked()));
    };
    let polled = idle.poll(&exchange.asks, cx, |cx| match poll_caught(work.as_mut(), cx) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    match polled {
        Poll::Pending => Poll::Pending,
        Poll::Ready(None) => Poll::Ready(Err(unanswered())),
        Poll::Ready(Some(Ok(Ok(_) | Err(CallError::Rpc(_) | CallError::Failed(_)))))
            if exchange.asks.is_open() =>
        {
            Poll::Ready(Err(unanswered()))
        }
        Poll::Ready(Some(outcome)) => Poll::Ready(outcome.unwrap_or_else(|_| panicked())),
    }
}

/// Returns the outcome of a call that exceeded its time limit.
fn stopped(limit: Duration, exchange: Option<&Exchange>) -> CallError {
    #[cfg(feature = "ask")]
    if exchange.is_some_and(|exchange| exchange.asks.is_open()) {
        return unanswered();
    }
    let _ = exchange;
    HandlerError::timed_out(limit).into()
}

/// Returns the outcome of a call with open questions.
#[cfg(feature = "ask")]
fn unanswered() -> CallError {
    crate::ask::InputRequired::new().into()
}

impl<T: Output> Drop for GuardedCall<T> {
    fn drop(&mut self) {
        self.stop("");
    }
}
