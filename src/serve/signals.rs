//! The signals that ask a process to end.

use std::io;

/// Returns a future that completes when the process is asked to end: by Ctrl-C (SIGINT), or by
/// the SIGTERM that service managers and containers send. Systems other than Unix have only
/// Ctrl-C, from the first poll on. Tested on Linux.
///
/// Call it at the start of `main`. From then on, neither signal ends the process by itself; earlier signals
/// do.
///
/// # Errors
/// Returns an error if the operating system refuses the handlers.
///
/// # Panics
/// Outside a Tokio runtime whose I/O is enabled.
pub fn signals() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(std::future::poll_fn(move |cx| {
            let is_asked = interrupt.poll_recv(cx).is_ready() || terminate.poll_recv(cx).is_ready();
            if is_asked { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        }))
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
