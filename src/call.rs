//! A `tools/call` under way, and what becomes of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::reply::{Draft, Reply};
use crate::stream::{Leftovers, Stream, event};
use crate::tool::{Exchange, RunningTool};

/// Owns all that a call needs: dropping it ends the call, and leaves nothing.
pub(crate) struct Call {
    running: RunningTool,
    /// There when the tool took a context, and so may notify.
    exchange: Option<Arc<Exchange>>,
    /// Becomes the reply; `None` once it has.
    draft: Option<Draft>,
}

impl Call {
    pub(crate) fn new(running: RunningTool, exchange: Option<Arc<Exchange>>, draft: Draft) -> Self {
        Self { running, exchange, draft: Some(draft) }
    }

    /// Runs the tool until it is done, or until it has something to tell on the way:
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

    /// The finished reply: a result or an error. Once it has been ready, it is
    /// pending for ever.
    pub(crate) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        match Pin::new(&mut self.running).poll(cx) {
            Poll::Ready(outcome) => match self.draft.take() {
                Some(draft) => Poll::Ready(draft.outcome(outcome)),
                None => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ends what the tool may still send.
    pub(crate) fn close(&self) -> Leftovers {
        self.exchange.as_ref().map(|exchange| exchange.outbox.close()).unwrap_or_default()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.close();
    }
}

/// What comes first.
enum First {
    Reply(Reply),
    Event(Arc<Exchange>),
}
