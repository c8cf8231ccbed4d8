//! Reads a stream of server-sent events of bounded size.

use std::collections::VecDeque;
use std::io;

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) data: Option<String>,
    /// In milliseconds.
    pub(super) retry: Option<u64>,
}

/// Takes bytes as they arrive, and returns complete events.
#[derive(Debug)]
pub(super) struct Decoder {
    limit: usize,
    /// The incomplete line.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, after which a line feed may follow.
    after_return: bool,
    is_first_line: bool,
    event: Event,
    size: usize,
    whole: VecDeque<Event>,
}

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_return: false,
            is_first_line: true,
            event: Event::default(),
            size: 0,
            whole: VecDeque::new(),
        }
    }

    /// Returns the next complete event.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.whole.pop_front()
    }

    /// # Errors
    /// Returns an error if an event is larger than allowed.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            self.size += part.len();
            if self.size > self.limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is too large"));
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.take_line(&line);
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = if std::mem::take(&mut self.is_first_line) {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        } else {
            &line
        };
        if line.is_empty() {
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            if event != Event::default() {
                self.whole.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.event.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            },
            "event" => self.event.name = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry = value.parse().ok(),
            // A comment, or an unknown field.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Event};

    fn events(decoder: &mut Decoder) -> Vec<Event> {
        std::iter::from_fn(|| decoder.next()).collect()
    }

    #[test]
    fn events_are_whole_wherever_the_bytes_are_cut() {
        let text = "\u{feff}: hello\r\nid: 1\r\ndata: a\r\ndata:  b\r\n\r\nretry: 10\rdata\r\revent: x\n\ndata: lost";
        let expected = [
            Event { id: Some("1".to_owned()), data: Some("a\n b".to_owned()), ..Event::default() },
            Event { retry: Some(10), data: Some(String::new()), ..Event::default() },
            Event { name: Some("x".to_owned()), ..Event::default() },
        ];
        for size in 1..text.len() {
            let mut decoder = Decoder::new(100);
            text.as_bytes().chunks(size).for_each(|chunk| decoder.push(chunk).expect("small enough"));
            assert_eq!(events(&mut decoder), expected, "chunks of {size}");
        }
    }

    #[test]
    fn an_event_that_is_too_large_is_refused_before_it_is_all_in_memory() {
        let mut decoder = Decoder::new(10);
        for _ in 0..9 {
            decoder.push(b"data: a\n\n").expect("small enough");
        }
        assert_eq!(events(&mut decoder).len(), 9);
        decoder.push(b"data: ").expect("small enough");
        assert!(decoder.push(&[b'a'; 5]).is_err());
    }
}
