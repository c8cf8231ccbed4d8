//! The reply to a request, before it is HTTP.

use super::listen::SubscriptionStream;
use super::message::SingleReply;
use super::stream::CallStream;
use crate::jsonrpc::write::ReplyId;
use crate::request::Rejection;

/// The reply to a request.
pub(crate) enum Reply {
    /// A notification has been accepted; there is no message.
    Accepted,
    Single(SingleReply),
    /// Notifications, and the result at the end.
    Stream(Box<CallStream>),
    /// Changes, until the client leaves or the server shuts down.
    Subscription(Box<SubscriptionStream>),
    /// A stream that is complete already, as its events.
    Events(Vec<u8>),
}

impl Reply {
    /// The reply to a request that is not served.
    pub(crate) fn refuse(rejection: Rejection, id: ReplyId<'_>) -> Self {
        Self::Single(SingleReply::refuse(rejection, id))
    }

    /// The JSON-RPC message; empty where the reply is not a single one.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Single(message) => message.into_vec(),
            Self::Accepted | Self::Stream(_) | Self::Subscription(_) | Self::Events(_) => Vec::new(),
        }
    }
}

impl From<SingleReply> for Reply {
    fn from(message: SingleReply) -> Self {
        Self::Single(message)
    }
}
