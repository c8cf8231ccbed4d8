//! Server-sent events: a tool's notifications, then its result.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::call::{Exchange, Underway};
use crate::deadline::Deadline;
use crate::drain::Serving;

const DATA: &[u8] = b"data: ";
const END: &[u8] = b"\n\n";
pub(super) const KEEP_ALIVE: &[u8] = b":\n\n";

/// Writes one event, whose data `write` puts straight into the buffer; none if it
/// writes nothing.
pub(crate) fn event(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    buffer.extend_from_slice(DATA);
    let start = buffer.len();
    write(buffer);
    if buffer.len() == start {
        buffer.truncate(start - DATA.len());
        return;
    }
    keep_on_one_line(&mut buffer[start..]);
    buffer.extend_from_slice(END);
}

/// Makes one event of a finished message.
pub(crate) fn frame_result(message: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(DATA.len() + message.len() + END.len());
    event(&mut buffer, |buffer| buffer.extend_from_slice(message));
    buffer
}

/// A line end would split the data. In JSON it can only be white space between
/// tokens, from a host's own raw JSON.
fn keep_on_one_line(json: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &json[at..]) {
        json[at + found] = b' ';
        at += found + 1;
    }
}

/// The body of a reply whose first notification came before its result. Owns the
/// call: dropping the body ends it.
pub(crate) struct Stream {
    call: Box<dyn Underway>,
    exchange: Arc<Exchange>,
    keep_alive: Deadline,
    state: State,
    serving: Option<Serving>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// The tool waits until the server below has sent what it was given, which it
    /// does when the body has nothing more for it.
    LettingOut,
    Complete,
}

impl Stream {
    pub(crate) fn new(call: Box<dyn Underway>, exchange: Arc<Exchange>, keep_alive: Duration) -> Self {
        Self { call, exchange, keep_alive: Deadline::new(keep_alive), state: State::Running, serving: None }
    }

    /// Counts as being served until it is dropped.
    pub(crate) fn serve(&mut self, serving: Serving) {
        self.serving = Some(serving);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// The next frame: events, the result, or a sign of life; `None` at the end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.state {
            State::Complete => return Poll::Ready(None),
            State::LettingOut => {
                self.state = State::Running;
                self.exchange.outbox.was_let_out();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Running => {}
        }
        // What was sent before goes first, so that the tool is not run on before
        // the reply has begun.
        if let Some(events) = self.take_events(cx) {
            return Poll::Ready(Some(events));
        }
        if let Poll::Ready(reply) = self.call.poll_reply(cx) {
            self.state = State::Complete;
            let mut events = self.call.close().events;
            event(&mut events, |buffer| buffer.append(&mut reply.into_message()));
            return Poll::Ready(Some(events.into()));
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

    fn take_events(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let (events, wants_out) = self.exchange.outbox.take(cx);
        if wants_out {
            self.state = State::LettingOut;
        }
        if events.is_empty() {
            return None;
        }
        self.keep_alive.reset();
        Some(events.into())
    }
}

#[cfg(test)]
mod tests {
    use super::frame_result;

    #[test]
    fn an_event_is_one_data_line_whatever_the_json_looks_like() {
        let framed = frame_result(b"{\r\n  \"a\": \"x\\ny\"\n}");
        assert_eq!(framed, b"data: {    \"a\": \"x\\ny\" }\n\n");
    }
}
