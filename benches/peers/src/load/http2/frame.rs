//! The frames of HTTP/2 (RFC 9113, section 6).

/// Types of frames.
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Flags. `ACK` is for `SETTINGS` and `PING`, the others for `DATA` and `HEADERS`.
pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 32;

/// The largest payload that every peer accepts (`SETTINGS_MAX_FRAME_SIZE`).
pub(super) const MAX_PAYLOAD: usize = 16 * 1024;

const HEAD: usize = 9;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Returns the first frame and the bytes after it, or `None` if it is incomplete.
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[a, b, c, kind, flags, stream @ ..], rest) = bytes.split_first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        Some((Self { kind, flags, stream, payload }, rest))
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Returns the payload as a number of four bytes.
    pub(super) fn number(&self) -> Option<u32> {
        self.payload.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).expect("no frame is larger than `MAX_PAYLOAD`");
        out.extend_from_slice(&length.to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_once_it_is_complete() {
        let frame = Frame { kind: DATA, flags: END_STREAM, stream: 7, payload: b"abc" };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(Frame::split(&bytes[..length]), None);
        }
        bytes.push(1);
        assert_eq!(Frame::split(&bytes), Some((frame, &[1][..])));
    }
}
