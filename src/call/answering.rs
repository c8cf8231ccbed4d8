//! A call under way, and what becomes of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{CallError, Exchange, Output, Running};
use crate::reply::{Draft, Reply};
use crate::result::WriteResult;
use crate::rpc::RpcError;
use crate::stream::{Leftovers, Stream, event};

/// Owns all that a call needs: dropping it ends the call, and leaves nothing.
pub(crate) struct Answering<T: Output> {
    running: Running<T>,
    /// There when the handler took a context, and so may send or ask.
    exchange: Option<Arc<Exchange>>,
    /// Becomes the reply; `None` once it has.
    draft: Option<Draft>,
}

/// A call under way, whatever its result.
pub(crate) trait Underway: Send {
    /// The finished reply: a result or an error. Once it has been ready, it is
    /// pending for ever.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Reply>;

    /// Ends what the handler may still send.
    fn close(&self) -> Leftovers;
}

impl<T: Output + WriteResult> Answering<T> {
    pub(crate) fn new(mut running: Running<T>, exchange: Option<Arc<Exchange>>, draft: Draft) -> Self {
        running.begin(exchange.as_ref(), Some(&draft.settings.drain));
        Self { running, exchange, draft: Some(draft) }
    }

    /// Runs the handler until it is done, or until it has something to tell on the way:
    /// then the reply is a stream, which runs it to its end.
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
            First::Event(exchange) => Reply::Stream(Box::new(Stream::new(self, exchange, keep_alive))),
            First::Reply(reply) => {
                let Leftovers { mut events, dropped } = self.close();
                if dropped > 0 {
                    tracing::debug!(dropped, "notifications dropped: the client takes no stream");
                }
                if events.is_empty() {
                    return reply;
                }
                event(&mut events, |buffer| buffer.append(&mut reply.into_message()));
                Reply::Events(events)
            }
        }
    }

    /// The reply to what the handler came to.
    fn reply(&self, draft: Draft, mut outcome: Result<T, CallError>) -> Reply {
        // In place, because results are large.
        if let Err(CallError::Failed(error)) = &outcome {
            outcome = error.answer(self.running.name(), &draft.settings.shown_errors);
        }
        match outcome {
            Ok(output) => draft.output(&output),
            Err(CallError::Rpc(error)) => draft.error(&error),
            // The answer to a failure is never another one.
            Err(CallError::Failed(_)) => draft.error(&RpcError::internal()),
            #[cfg(feature = "ask")]
            Err(CallError::InputRequired(required)) => {
                if let Some(exchange) = &self.exchange {
                    draft.input_required(exchange.asks.required(*required, exchange))
                } else {
                    tracing::error!("a handler without a context asks the client, which needs one");
                    draft.error(&RpcError::internal())
                }
            }
        }
    }
}

impl<T: Output + WriteResult> Underway for Answering<T> {
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        let outcome = std::task::ready!(self.running.poll(cx, self.exchange.as_deref()));
        match self.draft.take() {
            Some(draft) => Poll::Ready(self.reply(draft, outcome)),
            None => Poll::Pending,
        }
    }

    fn close(&self) -> Leftovers {
        self.exchange.as_ref().map(|exchange| exchange.close()).unwrap_or_default()
    }
}

impl<T: Output> Drop for Answering<T> {
    fn drop(&mut self) {
        if let Some(exchange) = &self.exchange {
            exchange.close();
        }
    }
}

/// What comes first.
enum First {
    Reply(Reply),
    Event(Arc<Exchange>),
}
