//! Messages to an upstream without an answer.

use tokio::sync::mpsc;

/// How many of them wait while the upstream does not read.
const QUEUED: usize = 1024;

/// A queue of answers, cancellations and other notifications for the transport.
#[derive(Clone, Debug)]
pub(super) struct Outgoing(mpsc::Sender<Vec<u8>>);

impl Outgoing {
    /// Creates a queue, and its other end for the transport.
    pub(super) fn new() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Adds a message. At the bound it is dropped, because an upstream that does not read cannot be
    /// notified.
    pub(super) fn post(&self, message: Vec<u8>) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.0.try_send(message) {
            tracing::warn!("an upstream takes no input: a message to it is dropped");
        }
    }
}
