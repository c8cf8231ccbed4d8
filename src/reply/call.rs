//! A call in flight: it ends as a single message, or continues as a stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::draft::Draft;
use super::message::SingleReply;
use super::reply::Reply;
use super::stream::{CallInFlight, CallStream};
use crate::call::{CallError, Exchange, GuardedCall, Leftovers, Output, WriteResult};
use crate::http::sse::event;
use crate::jsonrpc::RpcError;

/// A call whose reply is not ready yet. It owns everything the call needs; dropping it cancels
/// the call.
pub(crate) struct PendingCall<T: Output> {
    call: GuardedCall<T>,
    /// Present if the handler takes a context, which lets it send notifications and ask.
    exchange: Option<Arc<Exchange>>,
    /// `None` once the reply has been written.
    draft: Option<Draft>,
}

impl<T: Output + WriteResult> PendingCall<T> {
    pub(crate) fn new(mut call: GuardedCall<T>, exchange: Option<Arc<Exchange>>, draft: Draft) -> Self {
        call.begin(exchange.as_ref(), Some(&draft.settings.drain));
        Self { call, exchange, draft: Some(draft) }
    }

    /// Runs the handler to its end, or until it sends its first notification. In that case the
    /// reply is a stream, which runs the rest.
    pub(crate) async fn answer(mut self: Box<Self>, keep_alive: Duration) -> Reply {
        let first = poll_fn(|cx| match self.poll_reply(cx) {
            Poll::Ready(reply) => Poll::Ready(First::Reply(reply)),
            Poll::Pending => match &self.exchange {
                Some(exchange) if exchange.outbox.has_events(cx) => {
                    Poll::Ready(First::Event(Arc::clone(exchange)))
                }
                _ => Poll::Pending,
            },
        });
        match first.await {
            First::Event(exchange) => Reply::Stream(Box::new(CallStream::new(self, exchange, keep_alive))),
            First::Reply(reply) => {
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
        }
    }

    /// Writes the reply for the handler's outcome.
    fn reply(&self, draft: Draft, mut outcome: Result<T, CallError>) -> SingleReply {
        // Replaced in place: moving a result is expensive.
        if let Err(CallError::Failed(error)) = &outcome {
            outcome = error.answer(self.call.name(), &draft.settings.shown_errors);
        }
        match outcome {
            Ok(output) => draft.output(&output),
            Err(CallError::Rpc(error)) => draft.error(&error),
            // Unreachable: a failure is never answered with another failure.
            Err(CallError::Failed(_)) => draft.error(&RpcError::internal()),
            #[cfg(feature = "auth")]
            Err(CallError::InsufficientScope(missing)) => draft.forbidden(&missing),
            #[cfg(feature = "ask")]
            Err(CallError::InputRequired(required)) => {
                if let Some(exchange) = &self.exchange {
                    match exchange.asks.required(*required, exchange) {
                        Ok(required) => draft.output(&required),
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
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<SingleReply> {
        let outcome = std::task::ready!(self.call.poll(cx, self.exchange.as_deref()));
        match self.draft.take() {
            Some(draft) => Poll::Ready(self.reply(draft, outcome)),
            None => Poll::Pending,
        }
    }

    #[cfg(feature = "auth")]
    fn give_up(&mut self, error: &RpcError) -> Option<SingleReply> {
        let draft = self.draft.take()?;
        self.call.stop();
        Some(draft.error(error))
    }

    fn close(&self) -> Leftovers {
        self.exchange.as_ref().map(|exchange| exchange.close()).unwrap_or_default()
    }
}

impl<T: Output> Drop for PendingCall<T> {
    fn drop(&mut self) {
        if let Some(exchange) = &self.exchange {
            exchange.close();
        }
    }
}

/// What a call produces first.
enum First {
    Reply(SingleReply),
    Event(Arc<Exchange>),
}
