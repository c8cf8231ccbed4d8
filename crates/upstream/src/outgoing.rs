//! Messages to an upstream without an answer.

use tokio::sync::mpsc;

use super::message::Message;

/// How many of them wait while the upstream does not read.
const QUEUED: usize = 1024;

/// A queue of answers, cancellations and other notifications for the transport.
#[derive(Clone, Debug)]
pub(super) struct Outgoing(mpsc::Sender<Message>);

impl Outgoing {
    /// Creates a queue, and its other end for the transport.
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Adds a message. At the bound it is dropped, because an upstream that does not read cannot be
    /// notified.
    pub(super) fn post(&self, message: Message) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.0.try_send(message) {
            tracing::warn!("an upstream does not read its input: dropped a message");
        }
    }
}
