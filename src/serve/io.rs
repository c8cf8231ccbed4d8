//! A socket whose peer must take what is written to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::listener::Socket;
use crate::deadline::Deadline;

/// Fails a write once the peer has taken nothing for the write timeout. A write that goes
/// through at once costs a comparison.
pub(super) struct GuardedIo<T> {
    socket: T,
    write_timeout: Duration,
    /// Runs while a write waits.
    stalled: Option<Deadline>,
    activity: Arc<Activity>,
}

impl<T: Socket> GuardedIo<T> {
    pub(super) fn new(socket: T, write_timeout: Duration, activity: Arc<Activity>) -> Self {
        Self { socket, write_timeout, stalled: None, activity }
    }

    /// Judges a write of something that begins with `bytes`.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            let write_timeout = self.write_timeout;
            let stalled = self.stalled.get_or_insert_with(|| {
                self.activity.block(true);
                Deadline::new(write_timeout)
            });
            std::task::ready!(stalled.poll(cx));
            return match self.socket.send_now(bytes) {
                Ok(sent) if sent > 0 => {
                    self.unblock();
                    Poll::Ready(Ok(sent))
                }
                _ => Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the peer took nothing for {write_timeout:?}"),
                ))),
            };
        }
        if self.stalled.is_some() {
            self.unblock();
        }
        written
    }

    fn unblock(&mut self) {
        self.stalled = None;
        self.activity.block(false);
    }
}

impl<T: Socket> AsyncRead for GuardedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if read.is_ready() {
            self.activity.read();
        }
        read
    }
}

impl<T: Socket> AsyncWrite for GuardedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.judge(written, bytes, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.judge(written, first.map_or(&[], |slice| slice), cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

    use super::{GuardedIo, Socket};

    /// Is never ready, but takes so many bytes when it is asked all the same.
    struct Slow {
        takes: usize,
    }

    impl AsyncRead for Slow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Slow {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Socket for Slow {
        fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
            match bytes.len().min(self.takes) {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                sent => Ok(sent),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_fails_the_write_and_one_that_is_slow_does_not() {
        let start = tokio::time::Instant::now();
        let timeout = Duration::from_secs(30);
        let mut slow = GuardedIo::new(Slow { takes: 1 }, timeout, Arc::default());
        slow.write_all(b"abc").await.expect("it is taken, if slowly");
        assert_eq!(start.elapsed().as_secs(), 90);
        assert!(!slow.activity.is_busy());
        let mut stuck = GuardedIo::new(Slow { takes: 0 }, timeout, Arc::default());
        let error = stuck.write_all(b"abc").await.expect_err("nothing is taken");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 120);
    }
}
