//! When the gateway is told to stop.

use std::io;

use tokio::sync::watch;

/// Whether Ctrl-C was pressed, or SIGTERM has come. Clones hear of the same.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From now on neither ends the process by itself.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let signalled = signal()?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            signalled.await;
            // Nobody may be left to hear it.
            let _ = tell.send(true);
        });
        Ok(Self(told))
    }

    pub(crate) async fn signalled(mut self) {
        // The other end is there until it has told.
        let _ = self.0.wait_for(|&told| told).await;
    }
}

#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
