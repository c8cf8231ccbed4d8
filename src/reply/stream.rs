//! The stream of a call: its notifications as server-sent events, then its result.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::message::SingleReply;
#[cfg(feature = "auth")]
use crate::auth::{Access, TokenEnd};
use crate::call::{Exchange, Leftovers};
use crate::deadline::Deadline;
use crate::drain::Serving;
use crate::http::sse::{KEEP_ALIVE, event};
#[cfg(feature = "auth")]
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::StreamKind;
use crate::settings::Settings;

/// A call in flight, with any type of result.
pub(crate) trait CallInFlight: Send {
    /// Polls for the reply, a result or an error. After it has been ready once, it stays pending.
    fn poll_reply(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply>;

    /// Gives the call up, with an error in place of its reply; `None` if there was a reply.
    #[cfg(feature = "auth")]
    fn give_up(&mut self, error: &RpcError) -> Option<SingleReply>;

    /// Closes the outbox: the handler can send nothing more. Returns what was not sent yet.
    fn close(&self) -> Leftovers;
}

/// The body of a reply that starts with a notification. It owns the call: dropping it cancels
/// the call.
pub(crate) struct CallStream {
    call: Box<dyn CallInFlight>,
    exchange: Arc<Exchange>,
    keep_alive: Deadline,
    state: StreamState,
    settings: Arc<Settings>,
    /// Counts the call as in flight until the stream is dropped.
    _serving: Serving,
    /// Set if the call ends when its token expires.
    #[cfg(feature = "auth")]
    token_end: Option<TokenEnd>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamState {
    Running,
    /// The tool waits until its notifications have been sent. The body is pending once, because
    /// HTTP servers flush when a body is pending.
    LettingOut,
    Complete,
}

impl CallStream {
    pub(crate) fn new(call: Box<dyn CallInFlight>, exchange: Arc<Exchange>, settings: Arc<Settings>) -> Self {
        settings.observe.tell(|observer| observer.stream_opened(StreamKind::Call));
        Self {
            call,
            #[cfg(feature = "auth")]
            token_end: Access::of(&exchange.head).and_then(Access::end_of_calls),
            exchange,
            keep_alive: Deadline::new(settings.keep_alive),
            state: StreamState::Running,
            _serving: settings.drain.hold(),
            settings,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == StreamState::Complete
    }

    /// Polls for the next frame: events, the result, or a keep-alive comment. `None` after the
    /// result.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.state {
            StreamState::Complete => return Poll::Ready(None),
            StreamState::LettingOut => {
                self.state = StreamState::Running;
                self.exchange.outbox.was_let_out();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            StreamState::Running => {}
        }
        // Pending events go out before the tool is polled, so that the reply starts first.
        if let Some(events) = self.take_events(cx) {
            return Poll::Ready(Some(events));
        }
        if let Poll::Ready(reply) = self.call.poll_reply(cx, &self.settings) {
            return Poll::Ready(Some(self.complete(reply)));
        }
        #[cfg(feature = "auth")]
        if let Some(end) = &mut self.token_end
            && end.as_mut().poll(cx).is_ready()
            && let Some(reply) = self.call.give_up(&token_expired())
        {
            return Poll::Ready(Some(self.complete(reply)));
        }
        if let Some(events) = self.take_events(cx) {
            return Poll::Ready(Some(events));
        }
        if self.keep_alive.poll(cx).is_ready() {
            self.keep_alive.reset();
            return Poll::Ready(Some(Bytes::from_static(KEEP_ALIVE)));
        }
        Poll::Pending
    }

    /// The last frame.
    fn complete(&mut self, reply: SingleReply) -> Bytes {
        self.state = StreamState::Complete;
        let mut events = self.call.close().events;
        event(&mut events, |buffer| buffer.append(&mut reply.into_vec()));
        events.into()
    }

    fn take_events(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let (events, wants_out) = self.exchange.outbox.take(cx);
        if wants_out {
            self.state = StreamState::LettingOut;
        }
        if events.is_empty() {
            return None;
        }
        self.keep_alive.reset();
        Some(events.into())
    }
}

impl Drop for CallStream {
    fn drop(&mut self) {
        self.settings.observe.tell(|observer| observer.stream_closed(StreamKind::Call));
    }
}

#[cfg(feature = "auth")]
fn token_expired() -> RpcError {
    RpcError::new(
        ErrorCode::INVALID_REQUEST,
        "Unauthorized: the access token of this call is no longer valid",
    )
}
