//! Reads a request's body, with limits on its size, its time, and the memory of all bodies.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use bytes::{Buf, Bytes};

use super::admit::Admitted;
use super::{HttpFault, HttpPolicy};
use crate::deadline::Deadline;

/// Reads `body` to its end.
///
/// A body that is ready at once in one piece is not copied, and does not use the shared budget.
/// Any other body takes from the budget every byte that has arrived, until it is complete.
pub(crate) async fn read<B: http_body::Body>(
    body: B,
    admitted: &Admitted,
    policy: &HttpPolicy,
) -> Result<Bytes, HttpFault> {
    let mut body = pin!(body);
    let mut deadline = Deadline::new(policy.read_timeout);
    let limit = policy.max_body_size;
    let mut share = policy.body_budget.share();
    let mut read = Collected::Nothing;
    loop {
        let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending if !share.grow_to(read.len()) => Poll::Ready(Err(over_budget(policy))),
            Poll::Pending => {
                ready!(deadline.poll(cx));
                Poll::Ready(Err(HttpFault::ReadTimeout(policy.read_timeout)))
            }
        });
        let Some(frame) = frame.await? else { break };
        // Trailers are ignored.
        let Ok(data) = frame.map_err(|_| HttpFault::BrokenBody)?.into_data() else { continue };
        let length = read.len() + data.remaining();
        if length > limit {
            return Err(HttpFault::BodyTooLarge(limit));
        }
        if !matches!(read, Collected::Nothing) && !share.grow_to(length) {
            return Err(over_budget(policy));
        }
        read.append(data, admitted.declared_length);
        if body.is_end_stream() {
            break;
        }
    }
    Ok(read.into_bytes())
}

fn over_budget(policy: &HttpPolicy) -> HttpFault {
    HttpFault::TooManyBytes(policy.body_budget.most())
}

/// The part of a body that has been read.
enum Collected {
    Nothing,
    One(Bytes),
    Many(Vec<u8>),
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
                let mut all = Vec::new();
                make_room(&mut all, first.len() + length, declared_length);
                all.extend_from_slice(first);
                *self = Self::Many(all);
                self.append(data, declared_length);
            }
            Self::Many(all) => {
                make_room(all, length, declared_length);
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
            Self::Many(bytes) => bytes.into(),
        }
    }
}

/// Reserves capacity for `more` bytes. Capacity at most doubles, so a declared length costs
/// nothing before its bytes arrive, and it does not exceed the declared length.
fn make_room(all: &mut Vec<u8>, more: usize, declared_length: Option<usize>) {
    let needed = all.len() + more;
    if needed > all.capacity() {
        let room = declared_length.map_or(2 * needed, |declared| declared.clamp(needed, 2 * needed));
        all.reserve_exact(room - all.len());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Collected;

    #[test]
    fn room_grows_with_what_has_arrived_and_ends_at_what_was_declared() {
        let declared = 4 * 1024 * 1024;
        let mut read = Collected::Nothing;
        while read.len() < declared {
            read.append(Bytes::from_static(&[b' '; 1024]), Some(declared));
            let Collected::Many(all) = &read else { continue };
            assert!(all.capacity() <= (2 * all.len()).min(declared), "{}", all.capacity());
        }
        assert_eq!(read.into_bytes().len(), declared);
        // A body longer than declared: capacity is bounded only by what has arrived.
        let mut read = Collected::Nothing;
        for _ in 0..3 {
            read.append(Bytes::from_static(b"four"), Some(1));
        }
        assert_eq!(read.into_bytes(), "fourfourfour");
    }
}
