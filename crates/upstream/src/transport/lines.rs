//! Newline-delimited messages over any pair of streams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::parcel::MAX_MESSAGE;
use crate::connection::Connection;
use crate::failure::{Cause, Failure};

/// How many requests wait for an upstream that reads slowly.
const QUEUED: usize = 64;
/// How long a request waits for an upstream that does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long an upstream that takes no input may take to end before others get its requests.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where requests go to be written.
pub(crate) struct Requests(mpsc::Sender<(i64, Vec<u8>)>);

/// What is to be written.
pub(super) struct ToWrite {
    requests: mpsc::Receiver<(i64, Vec<u8>)>,
    others: mpsc::Receiver<Vec<u8>>,
}

impl Requests {
    pub(super) fn new(others: mpsc::Receiver<Vec<u8>>) -> (Self, ToWrite) {
        let (sender, requests) = mpsc::channel(QUEUED);
        (Self(sender), ToWrite { requests, others })
    }

    /// # Errors
    /// When the upstream does not read.
    pub(super) async fn send(&self, id: i64, request: Vec<u8>) -> Result<(), Failure> {
        match timeout(WRITE_LIMIT, self.0.send((id, request))).await {
            Ok(Ok(())) => Ok(()),
            // It was not sent.
            Ok(Err(_)) => Err(Failure::Forgotten),
            Err(_) => Err(Failure::failed("it does not read its input")),
        }
    }
}

/// Writes messages for as long as the upstream takes them. Returns the ids of the requests that
/// it did not take.
pub(super) async fn write(mut output: impl AsyncWrite + Unpin, mut to_write: ToWrite) -> Vec<i64> {
    loop {
        let (id, message) = tokio::select! {
            biased;
            Some(message) = to_write.others.recv() => (None, message),
            Some((id, message)) = to_write.requests.recv() => (Some(id), message),
            else => return Vec::new(),
        };
        let written = async {
            output.write_all(&message).await?;
            output.write_all(b"\n").await?;
            output.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "an upstream takes no input");
            // Nearly always it ends now, and its reader says why.
            sleep(LAST_WORDS).await;
            to_write.requests.close();
            let waiting = std::iter::from_fn(|| to_write.requests.try_recv().ok()).map(|(id, _)| id);
            return id.into_iter().chain(waiting).collect();
        }
    }
}

/// Reads messages until the end, and says what came to it.
pub(super) async fn read(input: impl AsyncRead + Unpin, connection: &Arc<Connection>) -> Cause {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let mut line = Vec::new();
    loop {
        match read_line(&mut input, &mut line, MAX_MESSAGE, Excess::Refuse).await {
            Ok(Line::Whole) => {}
            Ok(Line::End) => return Cause::new("it closed its output"),
            Err(error) => return Cause::new(format!("its output cannot be read: {error}")),
        }
        match std::str::from_utf8(&line) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => connection.receive(text),
            Err(_) => tracing::debug!(upstream = %connection.upstream, "a message is not UTF-8"),
        }
        if line.capacity() > MAX_MESSAGE / 16 {
            line = Vec::new();
        }
    }
}

/// What happens to a line's bytes beyond the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Drop,
    Refuse,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, or what came before the end.
    Whole,
    /// There is no more.
    End,
}

/// Reads the next line, without its end, of which no more than `limit` bytes are kept.
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
    use super::{Excess, Line, read_line};

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
