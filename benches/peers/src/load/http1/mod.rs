//! HTTP/1.1: one request at a time on each connection.

mod parser;

use std::{io, time::Instant};

use self::parser::Parser;
use super::{
    connection::Socket,
    nanoseconds_since,
    reply::{Reply, Uniform},
    request::Request,
};

pub(super) struct Connection {
    pub(super) socket: Socket,
    request: Vec<u8>,
    written: usize,
    /// Whether a request is in flight.
    busy: bool,
    sent: Instant,
    parser: Parser,
    uniform: Uniform,
}

impl Connection {
    pub(super) fn new(socket: Socket, request: &Request) -> Self {
        let request = request.http1();
        Self {
            socket,
            written: request.len(),
            request,
            busy: false,
            sent: Instant::now(),
            parser: Parser::default(),
            uniform: Uniform::default(),
        }
    }

    /// Replaces the request.
    #[cfg(feature = "tasks")]
    pub(super) fn set_request(&mut self, request: &Request) {
        self.request = request.http1();
    }

    /// Keeps the next reply, which may have another length than those before.
    #[cfg(feature = "tasks")]
    pub(super) fn keep_other_reply(&mut self) {
        self.uniform = Uniform::default();
        self.keep_reply();
    }

    pub(super) fn keep_reply(&mut self) {
        self.parser.keep_body();
    }

    pub(super) fn take_reply(&mut self) -> Reply {
        self.parser.take_reply()
    }

    pub(super) fn send(&mut self) -> io::Result<()> {
        self.written = 0;
        self.busy = true;
        self.sent = Instant::now();
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        self.written += self.socket.write(&self.request[self.written..])?;
        Ok(())
    }

    pub(super) fn advance(
        &mut self,
        buffer: &mut [u8],
        readable: bool,
        latencies: &mut Vec<u32>,
    ) -> io::Result<()> {
        if !self.busy {
            return Ok(());
        }
        self.write()?;
        if !readable {
            return Ok(());
        }
        while let Some(count) = self.socket.read(buffer)? {
            if self.parser.read(&buffer[..count])? {
                self.busy = false;
                let (status, length) = self.parser.finish();
                self.uniform.check(status, length)?;
                latencies.push(nanoseconds_since(self.sent));
                break;
            }
            if count < buffer.len() {
                // The socket is drained; the next bytes cause another event.
                break;
            }
        }
        Ok(())
    }
}
