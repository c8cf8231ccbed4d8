//! A call in flight: it ends as a single message, or continues as a stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;

#[cfg(feature = "tasks")]
use super::call_origin::AtStart;
use super::call_origin::CallOrigin;
use super::draft::Draft;
use super::message::SingleReply;
use super::reply::Reply;
use super::stream::{CallInFlight, CallStream};
use crate::call::{
    CallError, CallFuture, Exchange, GuardedCall, Leftovers, Output, Surroundings, WriteResult,
};
use crate::http::sse::event;
use crate::jsonrpc::RpcError;
use crate::observe::{ObservedRef, PendingObserved, RequestEnd};
use crate::request::Rejection;
use crate::settings::Settings;
#[cfg(feature = "tasks")]
use crate::task::TaskSeed;

/// A call whose reply is not ready yet. It owns everything the call needs; dropping it cancels
/// the call.
pub(crate) struct PendingCall<T: Output> {
    pub(super) call: GuardedCall<T>,
    /// Present if the handler takes a context, which lets it send notifications and ask.
    pub(super) exchange: Option<Arc<Exchange>>,
    /// `None` once the reply has been written.
    pub(super) draft: Option<Draft>,
    pub(super) observed: PendingObserved,
    /// Present while the call may become a task.
    #[cfg(feature = "tasks")]
    pub(super) seed: Option<Box<TaskSeed>>,
    /// A call that is a task from its start, while it is not in the store yet. `call` is then empty.
    #[cfg(feature = "tasks")]
    pub(super) held: Option<Box<GuardedCall<T>>>,
    /// Whether the call continues as a separate task.
    #[cfg(feature = "tasks")]
    pub(super) is_task: bool,
}

impl<T: Output + WriteResult> PendingCall<T> {
    /// Starts a call with `start`, which may take the head, and polls it for the first time. Returns
    /// the reply if it is ready: the calls of most handlers are, and need no box.
    pub(crate) fn begin(
        start: impl FnOnce(&mut Option<Arc<Exchange>>, &mut Parts) -> CallFuture<T>,
        draft: Draft,
        mut observed: ObservedRef<'_, '_>,
        origin: CallOrigin<'_>,
        head: &mut Parts,
        settings: &Arc<Settings>,
        cx: &mut Context<'_>,
    ) -> Result<Reply, Box<Self>> {
        let target = origin.target;
        let mut exchange = None;
        let mut call;
        let mut polled = Poll::Pending;
        #[cfg(feature = "tasks")]
        let at_start;
        {
            let _entered = observed.enter();
            call = GuardedCall::start(|| start(&mut exchange, head), settings);
            #[cfg(feature = "tasks")]
            {
                at_start = origin.at_start(&call, exchange.as_deref(), head, settings);
            }
            #[cfg(feature = "tasks")]
            let is_called = matches!(at_start, AtStart::Call);
            #[cfg(not(feature = "tasks"))]
            let is_called = true;
            if is_called {
                call.begin(exchange.as_ref(), Some(settings), target);
                polled = call.poll(cx, surroundings(exchange.as_ref(), settings, target));
            }
        }
        if let Poll::Ready(outcome) = &mut polled {
            let mut end = None;
            let reply = write(draft, outcome, &call, exchange.as_ref(), &mut end, settings, target);
            observed.note_with(|| end.unwrap_or_else(|| reply.end()));
            return Ok(match &exchange {
                Some(exchange) => finish(exchange.close(), reply),
                None => reply.into(),
            });
        }
        call.keep_name(target);
        #[cfg_attr(not(feature = "tasks"), expect(unused_mut, reason = "no call becomes a task"))]
        let mut pending = Box::new(Self {
            call,
            exchange,
            draft: Some(draft),
            observed: observed.take(),
            #[cfg(feature = "tasks")]
            seed: None,
            #[cfg(feature = "tasks")]
            held: None,
            #[cfg(feature = "tasks")]
            is_task: false,
        });
        #[cfg(feature = "tasks")]
        if let Some(refused) = pending.plant(at_start, origin, head, settings) {
            return Ok(refused.into());
        }
        match pending.starts_stream(cx) {
            Some(exchange) => Ok(pending.stream(exchange, settings)),
            None => Err(pending),
        }
    }

    /// Runs the handler to its end, or until it waits after it has sent a notification. In that case
    /// the reply is a stream, which runs the rest.
    pub(crate) async fn answer(mut self: Box<Self>, settings: &Arc<Settings>) -> Reply {
        // The same task has just polled it, in `begin`.
        #[cfg(feature = "tasks")]
        let mut is_polled = self.seed.is_none();
        #[cfg(not(feature = "tasks"))]
        let mut is_polled = true;
        let first = poll_fn(|cx| {
            if std::mem::take(&mut is_polled) {
                return Poll::Pending;
            }
            if let Poll::Ready(reply) = self.poll(cx, settings) {
                return Poll::Ready(First::Reply(reply));
            }
            self.starts_stream(cx).map_or(Poll::Pending, |exchange| Poll::Ready(First::Event(exchange)))
        });
        match first.await {
            First::Event(exchange) => self.stream(exchange, settings),
            First::Reply(reply) if self.exchange.is_some() => finish(self.close(), reply),
            First::Reply(reply) => reply.into(),
        }
    }

    /// Returns the exchange if there are notifications to start a stream with.
    fn starts_stream(&self, cx: &mut Context<'_>) -> Option<Arc<Exchange>> {
        self.exchange.as_ref().filter(|exchange| exchange.outbox.starts_stream(cx)).map(Arc::clone)
    }

    /// Polls a call that outlives the body, and so has kept its name.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply> {
        let Self { call, exchange, draft, observed, .. } = self;
        let mut polled = {
            let _entered = observed.enter();
            call.poll(cx, surroundings(exchange.as_ref(), settings, ""))
        };
        let Poll::Ready(outcome) = &mut polled else {
            #[cfg(feature = "tasks")]
            if self.seed.is_some() {
                return self.poll_seed(cx, settings);
            }
            return Poll::Pending;
        };
        match draft.take() {
            Some(draft) => {
                let mut end = None;
                let reply = write(draft, outcome, call, exchange.as_ref(), &mut end, settings, "");
                observed.note(end.unwrap_or_else(|| reply.end()));
                Poll::Ready(reply)
            }
            None => Poll::Pending,
        }
    }

    fn stream(self: Box<Self>, exchange: Arc<Exchange>, settings: &Arc<Settings>) -> Reply {
        Reply::Stream(Box::new(CallStream::new(self, exchange, Arc::clone(settings))))
    }
}

fn surroundings<'a>(
    exchange: Option<&'a Arc<Exchange>>,
    settings: &'a Settings,
    target: &'a str,
) -> Surroundings<'a> {
    Surroundings {
        exchange: exchange.map(|exchange| &**exchange),
        error_maps: settings.error_maps.as_deref(),
        target,
    }
}

/// Returns the reply of a handler that is done, with the notifications that it has sent.
fn finish(leftovers: Leftovers, reply: SingleReply) -> Reply {
    let Leftovers { mut events, dropped } = leftovers;
    if dropped > 0 {
        tracing::debug!(dropped, "notifications dropped: the client does not accept a stream");
    }
    if events.is_empty() {
        return reply.into();
    }
    event(&mut events, |buffer| buffer.append(&mut reply.into_vec()));
    Reply::Events(events)
}

/// Writes the reply for the outcome of a handler. Sets `end` if the reply does not determine how the request
/// ends. The outcome is left in place, because moving a result is expensive.
fn write<T: Output + WriteResult>(
    draft: Draft,
    outcome: &mut Result<T, CallError>,
    call: &GuardedCall<T>,
    exchange: Option<&Arc<Exchange>>,
    end: &mut Option<RequestEnd>,
    settings: &Settings,
    target: &str,
) -> SingleReply {
    #[cfg(not(feature = "ask"))]
    let _ = exchange;
    if let Err(CallError::Failed(error)) = outcome {
        *outcome = error.answer(call.name(target), &settings.shown_errors);
    }
    match outcome {
        Ok(output) => {
            if output.is_error() {
                *end = Some(RequestEnd::ToolError);
            }
            draft.output(output, settings)
        }
        Err(CallError::Rpc(error)) => draft.error(error),
        // Unreachable: a failure is never answered with another failure.
        Err(CallError::Failed(_)) => draft.error(&RpcError::internal()),
        Err(CallError::TooManyCalls(too_many)) => draft.refuse(Rejection::TooManyCalls(too_many.0), settings),
        #[cfg(feature = "auth")]
        Err(CallError::InsufficientScope(missing)) => draft.forbidden(missing),
        #[cfg(feature = "ask")]
        Err(CallError::InputRequired(required)) => {
            let questions =
                exchange.map(|exchange| exchange.asks.required(std::mem::take(&mut **required), exchange));
            let questions = questions.unwrap_or_else(|| {
                tracing::error!("a handler without a context returned questions");
                Err(RpcError::internal())
            });
            match questions {
                Ok(questions) => {
                    *end = Some(RequestEnd::InputRequired);
                    draft.output(&questions, settings)
                }
                Err(error) => draft.error(&error),
            }
        }
    }
}

impl<T: Output + WriteResult> CallInFlight for PendingCall<T> {
    fn poll_reply(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply> {
        let reply = std::task::ready!(self.poll(cx, settings));
        // A task that is being created is deleted again.
        #[cfg(feature = "tasks")]
        {
            self.seed = None;
        }
        Poll::Ready(reply)
    }

    #[cfg(feature = "auth")]
    fn give_up(&mut self, error: &RpcError) -> Option<SingleReply> {
        let draft = self.draft.take()?;
        // It has kept its name, as every call does that outlives the body.
        self.call.stop("");
        let reply = draft.error(error);
        self.observed.note(reply.end());
        Some(reply)
    }

    fn close(&self) -> Leftovers {
        let Some(exchange) = &self.exchange else { return Leftovers::default() };
        #[cfg(feature = "tasks")]
        if self.is_task {
            return exchange.outbox.close();
        }
        exchange.close()
    }
}

impl<T: Output> Drop for PendingCall<T> {
    fn drop(&mut self) {
        #[cfg(feature = "tasks")]
        if self.is_task {
            return;
        }
        if let Some(exchange) = &self.exchange {
            exchange.close();
        }
    }
}

/// The first output of a call.
enum First {
    Reply(SingleReply),
    Event(Arc<Exchange>),
}
