//! A socket whose peer must read what is written to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::listener::Socket;
use crate::deadline::Deadline;

/// How many bytes a peer must take within the write timeout, if that many wait. The kernel accepts
/// a few bytes even if the peer never reads.
pub(super) const LEAST_PROGRESS: usize = 4 * 1024;

/// Fails a write if the peer has taken almost nothing for the write timeout. A write that succeeds
/// at once costs one comparison.
pub(super) struct GuardedIo<T> {
    socket: T,
    write_timeout: Duration,
    stall: Option<Stall>,
    activity: Arc<Activity>,
}

/// Bytes wait for a peer, since a write that was not ready.
struct Stall {
    deadline: Deadline,
    /// The time is over, and the socket is being filled as far as possible. A kernel that enlarges
    /// its buffer makes room without a reader, but only once.
    is_filling: bool,
    taken: usize,
}

impl<T: Socket> GuardedIo<T> {
    pub(super) fn new(socket: T, write_timeout: Duration, activity: Arc<Activity>) -> Self {
        Self { socket, write_timeout, stall: None, activity }
    }

    /// Checks a write of something that starts with `bytes`.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => return self.wait(bytes, cx),
            Poll::Ready(Ok(taken)) => {
                if let Some(stall) = &mut self.stall {
                    stall.taken = stall.taken.saturating_add(taken);
                    if stall.taken >= LEAST_PROGRESS {
                        self.stall = None;
                        self.activity.block(false);
                    }
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    fn wait(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.activity.block(true);
        let stall = self.stall.get_or_insert_with(|| Stall {
            deadline: Deadline::new(self.write_timeout),
            is_filling: false,
            taken: 0,
        });
        if !stall.is_filling {
            ready!(stall.deadline.poll(cx));
            stall.is_filling = true;
        }
        let sent = self.socket.send_now(bytes).unwrap_or(0);
        stall.taken = stall.taken.saturating_add(sent);
        if sent == bytes.len() {
            return Poll::Ready(Ok(sent));
        }
        if stall.taken < LEAST_PROGRESS {
            return Poll::Ready(Err(self.timed_out()));
        }
        *stall = Stall { deadline: Deadline::new(self.write_timeout), is_filling: false, taken: 0 };
        if sent > 0 {
            return Poll::Ready(Ok(sent));
        }
        // Registers the timer.
        ready!(stall.deadline.poll(cx));
        Poll::Ready(Err(self.timed_out()))
    }

    fn timed_out(&self) -> io::Error {
        let text = format!("the peer read almost nothing for {:?}", self.write_timeout);
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    /// The peer, or the kernel for it, has taken all bytes that waited.
    fn catch_up(&mut self) {
        let Some(stall) = &mut self.stall else { return };
        if stall.is_filling {
            // Counts as progress. The next write continues to fill the socket.
            stall.taken = LEAST_PROGRESS;
        } else {
            self.stall = None;
        }
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
        // Called only if nothing waits.
        self.catch_up();
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
    use tokio::time::{Instant, Interval, interval_at};

    use super::{GuardedIo, LEAST_PROGRESS, Socket};

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// The socket of a peer that reads slowly.
    struct Slow {
        /// How many bytes it takes when it is ready, and when it is ready.
        takes: usize,
        ready: Interval,
        /// How many bytes it takes when it is asked before it is ready, at once and in total.
        takes_now: usize,
        room: AtomicUsize,
    }

    impl Slow {
        fn guarded(takes: usize, takes_now: usize) -> GuardedIo<Self> {
            let period = if takes > 0 { Duration::from_secs(1) } else { Duration::from_secs(1_000_000) };
            let ready = interval_at(Instant::now() + period, period);
            let room = AtomicUsize::new(usize::MAX);
            GuardedIo::new(Self { takes, ready, takes_now, room }, TIMEOUT, Arc::default())
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
            let room = self.room.load(Ordering::Relaxed);
            let sent = bytes.len().min(self.takes_now).min(room);
            self.room.store(room - sent, Ordering::Relaxed);
            if sent > 0 { Ok(sent) } else { Err(io::ErrorKind::WouldBlock.into()) }
        }
    }

    /// Returns how many seconds a write of many bytes takes, and whether it succeeds.
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
    async fn room_that_the_kernel_finds_without_a_reader_gains_one_timeout() {
        let start = Instant::now();
        let mut io = Slow::guarded(0, usize::MAX);
        io.socket.room = AtomicUsize::new(20 * LEAST_PROGRESS);
        let error = loop {
            // Like a server with much to write: piece by piece.
            if let Err(error) = io.write_all(&[b'x'; 1000]).await {
                break error;
            }
            io.flush().await.expect("nothing waits");
        };
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_slow_but_moves_is_served() {
        // Asked before it is ready, after each whole timeout.
        assert_eq!(write(Slow::guarded(0, LEAST_PROGRESS)).await, (90, true));
        // Asked when it is ready.
        let seconds = (3 * LEAST_PROGRESS as u64).div_ceil(200);
        assert_eq!(write(Slow::guarded(200, 0)).await, (seconds, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_all_there_is_owes_nothing() {
        let mut io = Slow::guarded(0, 10);
        let start = Instant::now();
        for _ in 0..3 {
            io.write_all(&[b'x'; 10]).await.expect("it is all that waits");
            assert!(io.activity.is_busy());
            io.flush().await.expect("nothing waits");
            assert!(!io.activity.is_busy());
        }
        assert_eq!(start.elapsed().as_secs(), 30);
        // Later writes have the whole time again.
        io.socket.takes_now = 0;
        tokio::time::sleep(TIMEOUT * 10).await;
        let start = Instant::now();
        let error = io.write_all(&[b'x'; 10]).await.expect_err("nothing is taken");
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    }
}
