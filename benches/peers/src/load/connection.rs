//! One keep-alive connection that sends the same request again and again.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    time::Instant,
};

use mio::net::TcpStream;

use super::reply::{Parser, Reply};

#[derive(PartialEq, Eq)]
pub(super) enum Step {
    Waiting,
    Replied,
}

pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    written: usize,
    /// Whether a request is under way.
    busy: bool,
    sent: Instant,
    parser: Parser,
    /// What every further reply must have too.
    body_length: Option<usize>,
}

impl Connection {
    pub(super) fn open(addr: SocketAddr, request: Vec<u8>) -> io::Result<Self> {
        // Connects blocking: the handshake is no part of what is measured.
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            written: request.len(),
            request,
            busy: false,
            sent: Instant::now(),
            parser: Parser::default(),
            body_length: None,
        })
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn keep_body(&mut self) {
        self.parser.keep_body();
    }

    /// Starts the next request.
    pub(super) fn send(&mut self) -> io::Result<()> {
        self.written = 0;
        self.busy = true;
        self.sent = Instant::now();
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what can be without waiting, and where there is anything, reads.
    pub(super) fn advance(&mut self, buffer: &mut [u8], readable: bool) -> io::Result<Step> {
        if !self.busy {
            return Ok(Step::Waiting);
        }
        self.write()?;
        if !readable {
            return Ok(Step::Waiting);
        }
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed")),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Waiting),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.parser.read(&buffer[..count])? {
                self.busy = false;
                self.check()?;
                return Ok(Step::Replied);
            }
            if count < buffer.len() {
                // Drained: the next bytes come with an event of their own.
                return Ok(Step::Waiting);
            }
        }
    }

    /// Holds every reply to the first one's status and length.
    fn check(&mut self) -> io::Result<()> {
        let (status, length) = self.parser.finish();
        if status != 200 {
            return Err(io::Error::other(format!("status {status}")));
        }
        match self.body_length {
            Some(expected) if expected != length => {
                Err(io::Error::other(format!("a body of {length} bytes after one of {expected}")))
            }
            _ => {
                self.body_length = Some(length);
                Ok(())
            }
        }
    }

    pub(super) fn take_reply(&mut self) -> Reply {
        self.parser.take_reply()
    }

    /// Of the last reply, in nanoseconds; longer than four seconds counts as four.
    pub(super) fn latency(&self) -> u32 {
        u32::try_from(self.sent.elapsed().as_nanos()).unwrap_or(u32::MAX)
    }
}
