//! A call in flight: it ends as a single message, or continues as a stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(feature = "tasks")]
use http::request::Parts;

#[cfg(feature = "tasks")]
use super::call_as_task::AsTask;
use super::draft::Draft;
use super::message::SingleReply;
use super::reply::Reply;
use super::stream::{CallInFlight, CallStream};
use crate::call::{CallError, Exchange, GuardedCall, Leftovers, Output, Surroundings, WriteResult};
use crate::http::sse::event;
use crate::jsonrpc::RpcError;
#[cfg(feature = "tasks")]
use crate::request::ValidRequest;
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
    /// There while the call may become a task.
    #[cfg(feature = "tasks")]
    pub(super) seed: Option<Box<TaskSeed>>,
    /// A call that is a task from its start, while it is not in the store yet. `call` is then empty.
    #[cfg(feature = "tasks")]
    pub(super) held: Option<Box<GuardedCall<T>>>,
    /// Whether the call goes on as a task, apart from this.
    #[cfg(feature = "tasks")]
    pub(super) is_task: bool,
}

/// The request of a call, as long as its body is there.
#[derive(Clone, Copy)]
pub(crate) struct CallOrigin<'a> {
    pub(crate) target: &'a str,
    #[cfg(feature = "tasks")]
    pub(crate) arguments: &'a str,
    #[cfg(feature = "tasks")]
    pub(crate) request: &'a ValidRequest<'a>,
    /// Empty if the call has an exchange, which then owns it.
    #[cfg(feature = "tasks")]
    pub(crate) head: &'a Parts,
}

impl<T: Output + WriteResult> PendingCall<T> {
    /// Starts a call, and polls it for the first time. Returns the reply if it is ready: the calls of
    /// most handlers are, and need no box.
    pub(crate) fn begin(
        call: GuardedCall<T>,
        exchange: Option<Arc<Exchange>>,
        draft: Draft,
        origin: CallOrigin<'_>,
        settings: &Arc<Settings>,
        cx: &mut Context<'_>,
    ) -> Result<Reply, Box<Self>> {
        let target = origin.target;
        let mut pending = Self {
            call,
            exchange,
            draft: Some(draft),
            #[cfg(feature = "tasks")]
            seed: None,
            #[cfg(feature = "tasks")]
            held: None,
            #[cfg(feature = "tasks")]
            is_task: false,
        };
        #[cfg(feature = "tasks")]
        if pending.call.task_policy().starts_as_task() {
            match pending.start_as_task(origin, settings) {
                Ok(AsTask::Yes) => return Err(Box::new(pending)),
                Ok(AsTask::No) => {}
                Err(reply) => return Ok(reply.into()),
            }
        }
        pending.call.begin(pending.exchange.as_ref(), Some(settings), target);
        match pending.poll_first(cx, settings, target) {
            Poll::Ready(First::Reply(reply)) => Ok(pending.finish(reply)),
            first => {
                pending.call.keep_name(target);
                #[cfg(feature = "tasks")]
                pending.plant(origin, settings);
                let pending = Box::new(pending);
                match first {
                    Poll::Ready(First::Event(exchange)) => Ok(pending.stream(exchange, settings)),
                    _ => Err(pending),
                }
            }
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
            self.poll_first(cx, settings, "")
        });
        match first.await {
            First::Event(exchange) => self.stream(exchange, settings),
            First::Reply(reply) => self.finish(reply),
        }
    }

    fn poll_first(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>, target: &str) -> Poll<First> {
        match self.poll(cx, settings, target) {
            Poll::Ready(reply) => Poll::Ready(First::Reply(reply)),
            Poll::Pending => match &self.exchange {
                Some(exchange) if exchange.outbox.starts_stream(cx) => {
                    Poll::Ready(First::Event(Arc::clone(exchange)))
                }
                _ => Poll::Pending,
            },
        }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        settings: &Arc<Settings>,
        target: &str,
    ) -> Poll<SingleReply> {
        let surroundings = Surroundings {
            exchange: self.exchange.as_deref(),
            error_maps: settings.error_maps.as_deref(),
            target,
        };
        let mut polled = self.call.poll(cx, surroundings);
        let Poll::Ready(outcome) = &mut polled else {
            #[cfg(feature = "tasks")]
            if self.seed.is_some() {
                return self.poll_seed(cx, settings, target);
            }
            return Poll::Pending;
        };
        match self.draft.take() {
            Some(draft) => Poll::Ready(self.reply(draft, outcome, settings, target)),
            None => Poll::Pending,
        }
    }

    fn stream(self: Box<Self>, exchange: Arc<Exchange>, settings: &Arc<Settings>) -> Reply {
        Reply::Stream(Box::new(CallStream::new(self, exchange, Arc::clone(settings))))
    }

    /// Returns the reply of a handler that is done, with the notifications that it has sent.
    fn finish(&self, reply: SingleReply) -> Reply {
        if self.exchange.is_none() {
            return reply.into();
        }
        let Leftovers { mut events, dropped } = self.close();
        if dropped > 0 {
            tracing::debug!(dropped, "notifications dropped: the client does not accept a stream");
        }
        if events.is_empty() {
            return reply.into();
        }
        event(&mut events, |buffer| buffer.append(&mut reply.into_vec()));
        Reply::Events(events)
    }

    /// Writes the reply for the handler's outcome, which is left in place, because moving a result is
    /// expensive.
    fn reply(
        &self,
        draft: Draft,
        outcome: &mut Result<T, CallError>,
        settings: &Settings,
        target: &str,
    ) -> SingleReply {
        if let Err(CallError::Failed(error)) = outcome {
            *outcome = error.answer(self.call.name(target), &settings.shown_errors);
        }
        match outcome {
            Ok(output) => draft.output(output, settings),
            Err(CallError::Rpc(error)) => draft.error(error),
            // Unreachable: a failure is never answered with another failure.
            Err(CallError::Failed(_)) => draft.error(&RpcError::internal()),
            #[cfg(feature = "auth")]
            Err(CallError::InsufficientScope(missing)) => draft.forbidden(missing),
            #[cfg(feature = "ask")]
            Err(CallError::InputRequired(required)) => {
                if let Some(exchange) = &self.exchange {
                    match exchange.asks.required(std::mem::take(&mut **required), exchange) {
                        Ok(required) => draft.output(&required, settings),
                        Err(error) => draft.error(&error),
                    }
                } else {
                    tracing::error!("a handler that takes no context asked the client");
                    draft.error(&RpcError::internal())
                }
            }
        }
    }
}

impl<T: Output + WriteResult> CallInFlight for PendingCall<T> {
    fn poll_reply(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply> {
        let reply = std::task::ready!(self.poll(cx, settings, ""));
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
        Some(draft.error(error))
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
