//! Messages to an upstream that have no answer.

use tokio::sync::mpsc;

use super::message::Message;

/// How many of them wait while the upstream takes none.
const QUEUED: usize = 1024;

/// Where answers, cancellations and other notifications are put for the transport to send.
#[derive(Clone, Debug)]
pub(super) struct Outgoing(mpsc::Sender<Message>);

impl Outgoing {
    /// A queue, and its other end for the transport.
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Puts a message in. Beyond the bound it is dropped: an upstream that takes no input
    /// cannot be told anything.
    pub(super) fn post(&self, message: Message) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.0.try_send(message) {
            tracing::warn!("an upstream takes no input: a message to it is dropped");
        }
    }
}
