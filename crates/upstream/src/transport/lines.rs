//! Newline-delimited messages over any pair of streams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{sleep, timeout};

use super::parcel::MAX_MESSAGE;
use crate::connection::Connection;
use crate::failure::{Cause, Failure};
use crate::message::Message;

/// The maximum number of queued requests for an upstream that reads slowly.
const QUEUED: usize = 64;
/// The size, in bytes, up to which messages are combined into one write.
const MOST_TOGETHER: usize = 16 * 1024;
/// How long a request waits for an upstream that does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long an upstream that reads no more input may take to end before its requests are repeated
/// elsewhere.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The sender of requests to the writer.
pub(crate) struct Requests(mpsc::Sender<(i64, Message)>);

/// The messages that the writer receives.
pub(super) struct ToWrite {
    requests: mpsc::Receiver<(i64, Message)>,
    others: mpsc::Receiver<Message>,
}

impl Requests {
    pub(super) fn new(others: mpsc::Receiver<Message>) -> (Self, ToWrite) {
        let (sender, requests) = mpsc::channel(QUEUED);
        (Self(sender), ToWrite { requests, others })
    }

    /// Queues a request for the writer.
    ///
    /// # Errors
    /// Returns an error if the upstream does not read its input.
    pub(super) async fn send(&self, id: i64, request: Message) -> Result<(), Failure> {
        let request = match self.0.try_send((id, request)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(request)) => request,
            // The writer has ended, and the request was not sent.
            Err(TrySendError::Closed(_)) => return Err(Failure::Forgotten),
        };
        match timeout(WRITE_LIMIT, self.0.send(request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::Forgotten),
            Err(_) => Err(Failure::failed("it does not read its input")),
        }
    }
}

impl ToWrite {
    /// Waits for the next message. Returns `None` after the last one.
    async fn next(&mut self) -> Option<(Option<i64>, Message)> {
        tokio::select! {
            biased;
            Some(message) = self.others.recv() => Some((None, message)),
            Some((id, message)) = self.requests.recv() => Some((Some(id), message)),
            else => None,
        }
    }

    /// Returns a message that is already queued.
    fn waiting(&mut self) -> Option<(Option<i64>, Message)> {
        let other = self.others.try_recv().map(|message| (None, message));
        other.or_else(|_| self.requests.try_recv().map(|(id, message)| (Some(id), message))).ok()
    }
}

/// Writes messages until the upstream reads no more. Returns the ids of the requests that it has not
/// read.
///
/// Queued messages are written together, so that one system call wakes the upstream once. No message
/// waits for later ones.
pub(super) async fn write(mut output: impl AsyncWrite + Unpin, mut to_write: ToWrite) -> Vec<i64> {
    let mut batch = Batch::default();
    while let Some((id, message)) = to_write.next().await {
        batch.push(id, message);
        while batch.has_room()
            && let Some((id, message)) = to_write.waiting()
        {
            batch.push(id, message);
        }
        if let Err(error) = batch.write(&mut output).await {
            tracing::debug!(%error, "an upstream does not read its input");
            // Usually the upstream is ending, and the reader will report why.
            sleep(LAST_WORDS).await;
            to_write.requests.close();
            let waiting = std::iter::from_fn(|| to_write.requests.try_recv().ok()).map(|(id, _)| id);
            return batch.unwritten().chain(waiting).collect();
        }
    }
    Vec::new()
}

/// Messages that are written together, one on each line.
#[derive(Default)]
struct Batch {
    buffer: Vec<u8>,
    /// The offset up to which the buffer has been written, or is unused.
    written: usize,
    /// The requests and the offsets of their ends in the buffer.
    ends: Vec<(usize, i64)>,
}

impl Batch {
    fn has_room(&self) -> bool {
        self.buffer.len() - self.written < MOST_TOGETHER
    }

    fn push(&mut self, id: Option<i64>, message: Message) {
        if self.buffer.is_empty() && message.as_bytes().len() > MOST_TOGETHER {
            // Avoid copying a large message.
            (self.buffer, self.written) = message.into_parts();
        } else {
            self.buffer.extend_from_slice(message.as_bytes());
        }
        self.buffer.push(b'\n');
        self.ends.extend(id.map(|id| (self.buffer.len(), id)));
    }

    /// Writes everything and clears the batch.
    async fn write(&mut self, output: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while self.written < self.buffer.len() {
            match output.write(&self.buffer[self.written..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.written += written,
            }
        }
        output.flush().await?;
        self.ends.clear();
        self.written = 0;
        if self.buffer.capacity() > 2 * MOST_TOGETHER {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        Ok(())
    }

    /// Returns the requests that have not been written completely.
    fn unwritten(&self) -> impl Iterator<Item = i64> {
        self.ends.iter().filter(|(end, _)| *end > self.written).map(|(_, id)| *id)
    }
}

/// Reads messages until the end, and returns its cause. `stray` gets the lines that cannot be
/// messages.
pub(super) async fn read(
    input: impl AsyncRead + Unpin,
    connection: &Arc<Connection>,
    stray: impl Fn(&[u8]),
) -> Cause {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let mut line = Vec::new();
    loop {
        // Complete lines are read directly from the buffer.
        let mut rest = input.buffer();
        while let Some(end) = memchr::memchr(b'\n', rest) {
            receive(&rest[..end], connection, &stray);
            rest = &rest[end + 1..];
        }
        let used = input.buffer().len() - rest.len();
        input.consume(used);
        match read_line(&mut input, &mut line, MAX_MESSAGE, Excess::Refuse).await {
            Ok(Line::Whole) => receive(&line, connection, &stray),
            Ok(Line::End) => return Cause::new("it closed its output"),
            Err(error) => return Cause::new(format!("its output cannot be read: {error}")),
        }
        if line.capacity() > MAX_MESSAGE / 16 {
            line = Vec::new();
        }
    }
}

fn receive(line: &[u8], connection: &Connection, stray: &impl Fn(&[u8])) {
    match line.trim_ascii_start().first() {
        None => {}
        Some(b'{' | b'[') => match std::str::from_utf8(line) {
            Ok(text) => connection.receive(text),
            // Better than a request that waits for its time limit.
            Err(_) => connection.receive(&String::from_utf8_lossy(line)),
        },
        Some(_) => stray(line),
    }
}

/// What to do with a line that exceeds the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Drop,
    Refuse,
}

/// The outcome of reading a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, which the end of the input may have terminated.
    Whole,
    /// The end of the input.
    End,
}

/// Reads the next line without its newline, and keeps at most `limit` bytes of it.
pub(super) async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    limit: usize,
    excess: Excess,
) -> io::Result<Line> {
    line.clear();
    let mut has_begun = false;
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(if has_begun { Line::Whole } else { Line::End });
        }
        has_begun = true;
        let end = memchr::memchr(b'\n', available);
        let part = &available[..end.unwrap_or(available.len())];
        let kept = part.len().min(limit - line.len());
        if kept < part.len() && excess == Excess::Refuse {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too large"));
        }
        line.extend_from_slice(&part[..kept]);
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Line::Whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::AsyncWrite;
    use tokio::sync::mpsc;

    use super::{Excess, Line, Requests, read_line, write};

    /// Records what each call writes, and breaks after `room` bytes.
    struct Pipe<'a> {
        room: usize,
        written: &'a mut Vec<Vec<u8>>,
    }

    impl AsyncWrite for Pipe<'_> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            self.room -= taken;
            self.written.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Writes three requests and a notification to a pipe with this room. Returns the ids that were not
    /// written, and the bytes of each write.
    async fn written(room: usize) -> (Vec<i64>, Vec<Vec<u8>>) {
        let (notices, others) = mpsc::channel(1);
        let (requests, to_write) = Requests::new(others);
        for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
            requests.send(id, text.as_bytes().to_vec().into()).await.expect("there is room");
        }
        notices.try_send(b"first".to_vec().into()).expect("there is room");
        drop((requests, notices));
        let mut written = Vec::new();
        let unwritten = write(Pipe { room, written: &mut written }, to_write).await;
        (unwritten, written)
    }

    #[tokio::test]
    async fn messages_that_wait_are_written_at_once() {
        let (unwritten, written) = written(1000).await;
        assert!(unwritten.is_empty());
        assert_eq!(written, [b"first\none\ntwo\nthree\n".to_vec()]);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_written_as_a_whole_are_not_made_again() {
        let (unwritten, written) = written("first\none\ntw".len()).await;
        assert_eq!(unwritten, [2, 3]);
        assert_eq!(written.concat(), b"first\none\ntw");
    }

    #[tokio::test]
    async fn lines_are_read_whole_and_no_longer_than_they_may_be() {
        let mut input: &[u8] = b"one\n\nlonger\nrest";
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while read_line(&mut input, &mut line, 4, Excess::Drop).await.expect("readable") == Line::Whole {
            lines.push(String::from_utf8(line.clone()).expect("UTF-8"));
        }
        assert_eq!(lines, ["one", "", "long", "rest"]);
        let mut input: &[u8] = b"longer\n";
        assert!(read_line(&mut input, &mut line, 4, Excess::Refuse).await.is_err());
    }
}
