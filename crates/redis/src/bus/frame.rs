//! The payload of a message in Redis.

use bytes::Bytes;

/// Identifies a process. A process ignores its own messages from Redis, because it has delivered them to
/// its subscribers directly.
pub(super) type Origin = [u8; 8];

/// The content of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Message(&'a [u8]),
    /// Messages were lost before they reached Redis.
    Missed,
}

const MESSAGE: u8 = b'm';
const MISSED: u8 = b'l';

impl<'a> Frame<'a> {
    pub(super) fn write(self, origin: Origin) -> Bytes {
        let (kind, message) = match self {
            Self::Message(message) => (MESSAGE, message),
            Self::Missed => (MISSED, &[][..]),
        };
        [&[kind], &origin[..], message].concat().into()
    }

    /// Parses a payload. Returns `None` if a newer version of this crate has sent it.
    pub(super) fn read(payload: &'a [u8]) -> Option<(Origin, Self)> {
        let (&kind, rest) = payload.split_first()?;
        let (origin, message) = rest.split_first_chunk()?;
        match kind {
            MESSAGE => Some((*origin, Self::Message(message))),
            MISSED => Some((*origin, Self::Missed)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_nothing_else_is() {
        let origin = [7; 8];
        for frame in [Frame::Message(b""), Frame::Message(b"\0l"), Frame::Missed] {
            assert_eq!(Frame::read(&frame.write(origin)), Some((origin, frame)));
        }
        for payload in [&b""[..], b"m", b"m1234567", b"x12345678"] {
            assert_eq!(Frame::read(payload), None);
        }
    }
}
