//! A connection that repeats one request.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use mio::net::TcpStream;
use nix::sys::socket::{setsockopt, sockopt};

use super::{http1, http2, reply::Reply, request::Request};
use crate::http::Http;

/// A connection in either version of HTTP.
pub(super) enum Connection {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

impl Connection {
    pub(super) fn open(addr: SocketAddr, http: Http, request: &Request) -> io::Result<Self> {
        let socket = Socket::connect(addr)?;
        Ok(match http {
            Http::Http1 => Self::Http1(http1::Connection::new(socket, request)),
            Http::Http2 => Self::Http2(http2::Connection::new(socket, request)?),
        })
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Http1(connection) => connection.socket.source(),
            Self::Http2(connection) => connection.socket.source(),
        }
    }

    /// Keeps the next reply for [`Connection::take_reply`].
    pub(super) fn keep_reply(&mut self) {
        match self {
            Self::Http1(connection) => connection.keep_reply(),
            Self::Http2(connection) => connection.keep_reply(),
        }
    }

    pub(super) fn take_reply(&mut self) -> Reply {
        match self {
            Self::Http1(connection) => connection.take_reply(),
            Self::Http2(connection) => connection.take_reply(),
        }
    }

    /// Sends the request this many times. Over HTTP/1.1 that is once, when no reply is
    /// outstanding.
    pub(super) fn send(&mut self, times: usize) -> io::Result<()> {
        match self {
            Self::Http1(connection) => connection.send(),
            Self::Http2(connection) => connection.send(times),
        }
    }

    /// Writes without blocking, and reads if the socket is readable. Adds the latency of each
    /// complete reply in nanoseconds, at most four seconds. Returns the number of these replies.
    pub(super) fn advance(
        &mut self,
        buffer: &mut [u8],
        readable: bool,
        latencies: &mut Vec<u32>,
    ) -> io::Result<usize> {
        let before = latencies.len();
        match self {
            Self::Http1(connection) => connection.advance(buffer, readable, latencies)?,
            Self::Http2(connection) => connection.advance(buffer, readable, latencies)?,
        }
        Ok(latencies.len() - before)
    }
}

/// A socket that never blocks.
pub(super) struct Socket {
    stream: TcpStream,
}

impl Socket {
    pub(super) fn connect(addr: SocketAddr) -> io::Result<Self> {
        // Blocks, because the handshake is not measured.
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        // Resets on close, so that ten thousand ports are free immediately, not after a minute.
        setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(stream) })
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Writes as much as the socket accepts. Returns the number of bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Reads once. Returns `None` if there is nothing to read.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed")),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
