//! A call under way, and what becomes of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{CallError, Exchange, Output, Running};
use crate::reply::{Draft, Reply};
use crate::result::WriteResult;
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
    pub(crate) fn new(running: Running<T>, exchange: Option<Arc<Exchange>>, draft: Draft) -> Self {
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
    fn reply(&self, draft: Draft, outcome: Result<T, CallError>) -> Reply {
        match outcome {
            Ok(output) => draft.output(&output),
            Err(CallError::Rpc(error)) => draft.error(&error),
            Err(CallError::Failed(error)) => {
                match error.answer::<T>(self.running.name(), &draft.settings.shown_errors) {
                    Ok(output) => draft.output(&output),
                    Err(error) => draft.error(&error),
                }
            }
            #[cfg(feature = "ask")]
            Err(CallError::InputRequired(required)) => {
                if let Some(exchange) = &self.exchange {
                    draft.input_required(exchange.asks.by_hand(*required, exchange))
                } else {
                    tracing::error!("a handler without a context asks the client, which needs one");
                    draft.error(&crate::rpc::RpcError::internal())
                }
            }
        }
    }
}

impl<T: Output + WriteResult> Underway for Answering<T> {
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        let outcome = Pin::new(&mut self.running).poll(cx);
        if let Poll::Ready(outcome) = outcome {
            return match self.draft.take() {
                Some(draft) => Poll::Ready(self.reply(draft, outcome)),
                None => Poll::Pending,
            };
        }
        // A handler whose question has no answer yet goes no further in this request.
        #[cfg(feature = "ask")]
        if let Some(exchange) = &self.exchange
            && let Poll::Ready(required) = exchange.asks.poll_required(cx, exchange)
            && let Some(draft) = self.draft.take()
        {
            self.running.abort();
            return Poll::Ready(draft.input_required(required));
        }
        Poll::Pending
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
