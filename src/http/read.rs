//! Reads a request's body, bounded in size and time.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use bytes::{Buf, Bytes, BytesMut};

use super::admit::Admitted;
use crate::config::Settings;
use crate::deadline::Deadline;
use crate::rejection::Rejection;

/// Reads `body` to its end. A body that arrives in one piece is not copied.
pub(crate) async fn read<B: http_body::Body>(
    body: B,
    admitted: &Admitted,
    settings: &Settings,
) -> Result<Bytes, Rejection> {
    let mut body = pin!(body);
    let mut deadline = Deadline::new(settings.read_timeout);
    let limit = settings.max_body_size;
    let mut read = Collected::Nothing;
    loop {
        let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                ready!(deadline.poll(cx));
                Poll::Ready(Err(Rejection::ReadTimeout(settings.read_timeout)))
            }
        });
        let Some(frame) = frame.await? else { break };
        // Trailers say nothing that is read here.
        let Ok(data) = frame.map_err(|_| Rejection::BrokenBody)?.into_data() else { continue };
        if data.remaining() > limit - read.len() {
            return Err(Rejection::BodyTooLarge(limit));
        }
        read.append(data, admitted.declared_length);
        if body.is_end_stream() {
            break;
        }
    }
    Ok(read.into_bytes())
}

/// What has been read so far.
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn append(&mut self, mut data: impl Buf, declared_length: Option<usize>) {
        let length = data.remaining();
        match self {
            Self::Nothing => *self = Self::One(data.copy_to_bytes(length)),
            Self::One(first) => {
                let room = declared_length.unwrap_or_default().max(first.len() + length);
                let mut all = BytesMut::with_capacity(room);
                all.extend_from_slice(first);
                *self = Self::Many(all);
                self.append(data, declared_length);
            }
            Self::Many(all) => {
                while data.has_remaining() {
                    let chunk = data.chunk();
                    let length = chunk.len();
                    all.extend_from_slice(chunk);
                    data.advance(length);
                }
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
