//! The sources of connections.

use std::io;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A source of connections: a [`TcpListener`], a `UnixListener`, or your own type, for example one
/// that speaks TLS or counts connections.
pub trait Listener: Send + 'static {
    /// A connection.
    type Socket: Socket;

    /// Accepts the next connection.
    ///
    /// # Errors
    /// No error ends the server: it tries again, after a pause unless the error concerns only
    /// the one connection.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Socket>>;
}

/// A connection that a [`Listener`] accepts.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Sends what the socket takes right now, whether or not it was reported ready, and returns
    /// the number of bytes.
    ///
    /// Called once a write has waited for the [`write_timeout`](super::Serve::write_timeout):
    /// operating systems report a socket as ready only when a good part of its buffer is free,
    /// and a slow reader may not free that much in time. The default takes nothing, so slow
    /// readers of such a socket are cut.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when it takes nothing.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let _ = bytes;
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Listener for TcpListener {
    type Socket = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        Self::poll_accept(self, cx).map_ok(|(socket, _)| {
            // A socket that does not support this still works, only more slowly.
            let _ = socket.set_nodelay(true);
            socket
        })
    }
}

impl Socket for TcpStream {
    #[cfg(unix)]
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        send_now(self, bytes)
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Socket = tokio::net::UnixStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Socket>> {
        Self::poll_accept(self, cx).map_ok(|(socket, _)| socket)
    }
}

#[cfg(unix)]
impl Socket for tokio::net::UnixStream {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        send_now(self, bytes)
    }
}

#[cfg(unix)]
fn send_now(socket: impl std::os::fd::AsFd, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    Ok(rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
}
