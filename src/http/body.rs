//! The body of a response.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::stream::{Listening, Stream};

/// The body of a response: nothing, one JSON message, or a stream of server-sent
/// events.
///
/// A stream runs the tool it belongs to while it is polled, and ends it when it is
/// dropped.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    /// One message in parts, each of which is a frame.
    Parts(std::array::IntoIter<Bytes, 3>),
    Stream(Box<Stream>),
    Listening(Box<Listening>),
}

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(bytes.into()))
    }

    pub(crate) fn parts(parts: [Bytes; 3]) -> Self {
        Self(Kind::Parts(parts.into_iter()))
    }

    pub(crate) fn stream(stream: Box<Stream>) -> Self {
        Self(Kind::Stream(stream))
    }

    pub(crate) fn listening(listening: Box<Listening>) -> Self {
        Self(Kind::Listening(listening))
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
            Kind::Empty => None,
            Kind::Full(_) => match std::mem::take(&mut self.0) {
                Kind::Full(bytes) => Some(bytes),
                _ => None,
            },
            Kind::Parts(parts) => parts.next(),
            Kind::Stream(stream) => std::task::ready!(stream.poll_frame(cx)),
            Kind::Listening(listening) => std::task::ready!(listening.poll_frame(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Parts(parts) => parts.len() == 0,
            Kind::Stream(stream) => stream.is_complete(),
            Kind::Listening(listening) => listening.is_complete(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Parts(parts) => {
                SizeHint::with_exact(parts.as_slice().iter().map(|part| part.len() as u64).sum())
            }
            Kind::Stream(_) | Kind::Listening(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Kind::Empty => "Body(empty)",
            Kind::Full(_) | Kind::Parts(_) => "Body(full)",
            Kind::Stream(_) | Kind::Listening(_) => "Body(stream)",
        })
    }
}
