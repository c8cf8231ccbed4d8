//! The reply to a request, before it becomes an HTTP response.

use super::listen::SubscriptionStream;
use super::message::SingleReply;
use super::stream::CallStream;
use crate::jsonrpc::write::ReplyId;
use crate::request::Rejection;
use crate::settings::Settings;

/// The reply to a request.
pub(crate) enum Reply {
    /// Accepted, without a message: the body needs no reply.
    Accepted,
    Single(SingleReply),
    /// Notifications, then the result.
    Stream(Box<CallStream>),
    /// Changes, until the client disconnects or the server shuts down.
    Subscription(Box<SubscriptionStream>),
    /// The events of a stream that is already complete.
    Events(Vec<u8>),
}

impl Reply {
    /// Returns the error reply to a rejected request.
    pub(crate) fn refuse(rejection: Rejection, id: ReplyId<'_>, settings: &Settings) -> Self {
        Self::Single(SingleReply::refuse(rejection, id, settings))
    }

    /// Returns the JSON-RPC message, or nothing if the reply is not a single message.
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
