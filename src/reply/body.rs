//! The body of a response.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::listen::SubscriptionStream;
use super::stream::CallStream;

/// The body of a response: nothing, one JSON message, or a stream of server-sent
/// events.
///
/// A stream owns its call: polling it runs the tool, and dropping it cancels the call.
#[derive(Default)]
pub struct Body(BodyKind);

#[derive(Default)]
enum BodyKind {
    #[default]
    Empty,
    Full(Bytes),
    /// One message, sent as one frame for each part. Boxed, to keep the response small: it is moved
    /// several times.
    Parts(Box<std::array::IntoIter<Bytes, 3>>),
    Stream(Box<CallStream>),
    Subscription(Box<SubscriptionStream>),
}

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self(BodyKind::Full(bytes.into()))
    }

    pub(crate) fn parts(parts: [Bytes; 3]) -> Self {
        Self(BodyKind::Parts(Box::new(parts.into_iter())))
    }

    pub(crate) fn stream(stream: Box<CallStream>) -> Self {
        Self(BodyKind::Stream(stream))
    }

    pub(crate) fn subscription(subscription: Box<SubscriptionStream>) -> Self {
        Self(BodyKind::Subscription(subscription))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            BodyKind::Empty => None,
            BodyKind::Full(_) => match std::mem::take(&mut self.0) {
                BodyKind::Full(bytes) => Some(bytes),
                _ => None,
            },
            BodyKind::Parts(parts) => parts.next(),
            BodyKind::Stream(stream) => std::task::ready!(stream.poll_frame(cx)),
            BodyKind::Subscription(subscription) => std::task::ready!(subscription.poll_frame(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Empty => true,
            BodyKind::Full(_) => false,
            BodyKind::Parts(parts) => parts.len() == 0,
            BodyKind::Stream(stream) => stream.is_complete(),
            BodyKind::Subscription(subscription) => subscription.is_complete(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyKind::Empty => SizeHint::with_exact(0),
            BodyKind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BodyKind::Parts(parts) => {
                SizeHint::with_exact(parts.as_slice().iter().map(|part| part.len() as u64).sum())
            }
            BodyKind::Stream(_) | BodyKind::Subscription(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            BodyKind::Empty => "Body(empty)",
            BodyKind::Full(_) | BodyKind::Parts(_) => "Body(full)",
            BodyKind::Stream(_) | BodyKind::Subscription(_) => "Body(stream)",
        })
    }
}
