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

/// How many bytes a peer must take within the write timeout, where so many wait for it. The
/// kernel finds room for a few bytes even when nobody reads.
pub(super) const LEAST_PROGRESS: usize = 4 * 1024;

/// Fails a write once the peer has taken next to nothing for the write timeout. A write that
/// goes through at once costs a comparison.
pub(super) struct GuardedIo<T> {
    socket: T,
    write_timeout: Duration,
    stall: Option<Stall>,
    activity: Arc<Activity>,
}

/// Bytes wait for a peer: from a write that was not ready until the peer has taken
/// [`LEAST_PROGRESS`], or all that waits.
struct Stall {
    deadline: Deadline,
    taken: usize,
}

impl<T: Socket> GuardedIo<T> {
    pub(super) fn new(socket: T, write_timeout: Duration, activity: Arc<Activity>) -> Self {
        Self { socket, write_timeout, stall: None, activity }
    }

    /// Judges a write of something that begins with `bytes`.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(taken)) => {
                self.take(taken);
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => self.wait(bytes, cx),
        }
    }

    fn wait(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stall = self.stall.get_or_insert_with(|| {
            self.activity.block(true);
            Stall { deadline: Deadline::new(self.write_timeout), taken: 0 }
        });
        std::task::ready!(stall.deadline.poll(cx));
        match self.socket.send_now(bytes) {
            // All of these bytes, so that more may follow them; or enough.
            Ok(sent) if sent > 0 && (sent == bytes.len() || stall.taken + sent >= LEAST_PROGRESS) => {
                self.take(sent);
                Poll::Ready(Ok(sent))
            }
            _ => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the peer took next to nothing for {:?}", self.write_timeout),
            ))),
        }
    }

    fn take(&mut self, taken: usize) {
        if let Some(stall) = &mut self.stall {
            stall.taken += taken;
            if stall.taken >= LEAST_PROGRESS {
                self.end_stall();
            }
        }
    }

    fn end_stall(&mut self) {
        self.stall = None;
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
        // Only asked when all that waited has been taken.
        if self.stall.is_some() {
            self.end_stall();
        }
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
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
    use tokio::time::{Instant, Interval, interval_at};

    use super::{GuardedIo, LEAST_PROGRESS, Socket};

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// The socket of a peer that reads slowly.
    struct Slow {
        /// How many bytes it takes when it is ready, and when it is.
        takes: usize,
        ready: Interval,
        /// How many it takes when it is asked all the same.
        takes_now: usize,
    }

    impl Slow {
        fn guarded(takes: usize, takes_now: usize) -> GuardedIo<Self> {
            let period = if takes > 0 { Duration::from_secs(1) } else { Duration::from_secs(1_000_000) };
            let ready = interval_at(Instant::now() + period, period);
            GuardedIo::new(Self { takes, ready, takes_now }, TIMEOUT, Arc::default())
        }
    }

    impl AsyncRead for Slow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.ready.poll_tick(cx));
            Poll::Ready(Ok(bytes.len().min(self.takes)))
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
            match bytes.len().min(self.takes_now) {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                sent => Ok(sent),
            }
        }
    }

    /// How many seconds a write of many bytes takes, and whether it succeeds.
    async fn write(mut io: GuardedIo<Slow>) -> (u64, bool) {
        let start = Instant::now();
        let written = io.write_all(&[b'x'; 3 * LEAST_PROGRESS]).await;
        if let Err(error) = &written {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        (start.elapsed().as_secs(), written.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_next_to_nothing_fails_the_write() {
        for (takes, takes_now) in [(0, 0), (0, 1), (0, LEAST_PROGRESS - 1), (1, 0), (1, 1), (100, 100)] {
            assert_eq!(write(Slow::guarded(takes, takes_now)).await, (30, false), "{takes} {takes_now}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_slow_but_moves_is_served() {
        // When it is asked all the same, each time after the whole timeout.
        assert_eq!(write(Slow::guarded(0, LEAST_PROGRESS)).await, (90, true));
        // When it is ready.
        let seconds = (3 * LEAST_PROGRESS as u64).div_ceil(200);
        assert_eq!(write(Slow::guarded(200, 0)).await, (seconds, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_all_there_is_owes_nothing() {
        let mut io = Slow::guarded(0, 10);
        for _ in 0..3 {
            let start = Instant::now();
            io.write_all(&[b'x'; 10]).await.expect("it is all that waits");
            io.flush().await.expect("nothing waits");
            assert_eq!(start.elapsed().as_secs(), 30);
            assert!(!io.activity.is_busy());
        }
        let error = io.write_all(&[b'x'; 11]).await.expect_err("there is more than it takes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(io.activity.is_busy());
    }
}
