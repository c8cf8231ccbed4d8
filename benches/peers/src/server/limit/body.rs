//! The body of a response: bytes, or the events of a countdown.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, buf::Chain};
use hyper::body::{Frame, SizeHint};
use serde_json::value::RawValue;

use super::{countdown::Countdown, result};

/// The second part is shared, so that a list is sent without a copy.
type Data = Chain<Bytes, Bytes>;

pub(in crate::server) enum Body {
    Whole(Option<Data>),
    Events(Box<Countdown>),
}

impl Body {
    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        let data = Bytes::from(bytes).chain(Bytes::new());
        Self::Whole(data.has_remaining().then_some(data))
    }

    /// Creates a response from a serialised result with the closing brace of the response.
    pub(super) fn ready(id: &RawValue, ready: Bytes) -> Self {
        let mut head = Vec::with_capacity(64);
        result::open(&mut head, id);
        Self::Whole(Some(Bytes::from(head).chain(ready)))
    }

    pub(super) fn events(countdown: Countdown) -> Self {
        Self::Events(Box::new(countdown))
    }
}

impl hyper::body::Body for Body {
    type Data = Data;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Infallible>>> {
        let data = match self.get_mut() {
            Self::Whole(data) => data.take(),
            Self::Events(countdown) => match countdown.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(events) => events.map(|events| Bytes::from(events).chain(Bytes::new())),
            },
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.is_none(),
            Self::Events(countdown) => countdown.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => SizeHint::with_exact(data.as_ref().map_or(0, Buf::remaining) as u64),
            Self::Events(_) => SizeHint::new(),
        }
    }
}
