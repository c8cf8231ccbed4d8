//! Parses replies incrementally: status, framing, and the body on request.

use std::io;

use memchr::memmem;

use crate::load::reply::{Reply, malformed};

#[derive(Default)]
pub(super) struct Parser {
    /// Bytes of a head that did not arrive in one piece.
    partial_head: Vec<u8>,
    state: State,
    status: u16,
    length: usize,
    kept: Option<Reply>,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Head,
    /// The body has this many bytes left.
    Sized(usize),
    /// In the line with a chunk's size; the digits so far have this value.
    ChunkSize(usize),
    /// The chunk and the line end after it have this many bytes left.
    Chunk(usize),
    /// The empty line after the last chunk has this many bytes left.
    End(usize),
}

impl Parser {
    /// Keeps the next reply for [`Parser::take_reply`].
    pub(super) fn keep_body(&mut self) {
        self.kept = Some(Reply::default());
    }

    pub(super) fn take_reply(&mut self) -> Reply {
        self.kept.take().unwrap_or_default()
    }

    /// Returns the status and body length of the reply, and prepares for the next one.
    pub(super) fn finish(&mut self) -> (u16, usize) {
        self.state = State::Head;
        (self.status, std::mem::take(&mut self.length))
    }

    /// Parses bytes. Returns whether they complete the reply.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        loop {
            match self.state {
                State::Head => {
                    let Some(rest) = self.head(bytes)? else {
                        return Ok(false);
                    };
                    bytes = rest;
                }
                State::Sized(left) => {
                    if bytes.len() > left {
                        return Err(malformed("bytes after the reply"));
                    }
                    self.body(bytes);
                    self.state = State::Sized(left - bytes.len());
                    return Ok(bytes.len() == left);
                }
                State::ChunkSize(size) => {
                    let Some((&byte, rest)) = bytes.split_first() else {
                        return Ok(false);
                    };
                    bytes = rest;
                    self.state = match byte {
                        b'\r' => State::ChunkSize(size),
                        b'\n' if size == 0 => State::End(2),
                        b'\n' => State::Chunk(size + 2),
                        digit => State::ChunkSize(size * 16 + hex(digit)?),
                    };
                }
                State::Chunk(left) => {
                    let count = left.min(bytes.len());
                    // The last two bytes are the line end.
                    let data = count.min(left.saturating_sub(2));
                    self.body(&bytes[..data]);
                    bytes = &bytes[count..];
                    if count < left {
                        self.state = State::Chunk(left - count);
                        return Ok(false);
                    }
                    self.state = State::ChunkSize(0);
                }
                State::End(left) => {
                    if bytes.len() > left {
                        return Err(malformed("bytes after the reply"));
                    }
                    self.state = State::End(left - bytes.len());
                    return Ok(bytes.len() == left);
                }
            }
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if let Some(kept) = &mut self.kept {
            kept.body.extend_from_slice(bytes);
        }
    }

    /// Parses the head. Returns the bytes after it, or `None` if it is incomplete.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> io::Result<Option<&'a [u8]>> {
        if self.partial_head.is_empty()
            && let Some(end) = memmem::find(bytes, b"\r\n\r\n")
        {
            self.parse(&bytes[..end])?;
            return Ok(Some(&bytes[end + 4..]));
        }
        let before = self.partial_head.len();
        self.partial_head.extend_from_slice(bytes);
        let Some(end) = memmem::find(&self.partial_head, b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::mem::take(&mut self.partial_head);
        self.parse(&head[..end])?;
        Ok(Some(&bytes[end + 4 - before..]))
    }

    fn parse(&mut self, head: &[u8]) -> io::Result<()> {
        let head = str::from_utf8(head).map_err(|_| malformed("a head that is not ASCII"))?;
        let mut lines = head.split("\r\n");
        self.status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
            .ok_or_else(|| malformed("no status line"))?;
        let mut framing = None;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return Err(malformed("a malformed header"));
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().map_err(|_| malformed("a malformed length"))?;
                framing = Some(State::Sized(length));
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Some(State::ChunkSize(0));
            } else if name.eq_ignore_ascii_case("content-type")
                && let Some(kept) = &mut self.kept
            {
                kept.is_event_stream = value.starts_with("text/event-stream");
            }
        }
        self.state = framing.ok_or_else(|| malformed("a body without framing"))?;
        Ok(())
    }
}

fn hex(digit: u8) -> io::Result<usize> {
    char::from(digit)
        .to_digit(16)
        .map(|digit| digit as usize)
        .ok_or_else(|| malformed("a malformed chunk size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: text/event-stream\r\n\r\n5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
    const SIZED: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nabc";

    fn read(reply: &[u8], piece: usize) -> (u16, Vec<u8>) {
        let mut parser = Parser::default();
        parser.keep_body();
        let pieces: Vec<_> = reply.chunks(piece).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let done = parser.read(piece).expect("a well-formed reply");
            assert_eq!(done, index + 1 == pieces.len());
        }
        let (status, length) = parser.finish();
        let kept = parser.take_reply();
        assert_eq!(length, kept.body.len());
        (status, kept.body)
    }

    #[test]
    fn replies_are_read_in_pieces_of_any_size() {
        for piece in 1..=CHUNKED.len() {
            let (status, body) = read(CHUNKED, piece);
            assert_eq!((status, &body[..]), (200, &b"helloabcdefghijklmnopqrstuvwxyz"[..]));
        }
        for piece in 1..=SIZED.len() {
            assert_eq!(read(SIZED, piece), (404, b"abc".to_vec()));
        }
    }

    #[test]
    fn more_than_one_reply_is_refused() {
        let twice = [SIZED, SIZED].concat();
        assert!(Parser::default().read(&twice).is_err());
    }
}
