//! One JSON-RPC message as a reply, before it is HTTP.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::jsonrpc::write::{ReplyId, ReplyStart};
use crate::request::Rejection;

/// A reply of a single message.
pub(crate) enum SingleReply {
    Result(ResultMessage),
    Error { status: StatusCode, message: Vec<u8>, headers: Box<HeaderMap> },
}

impl SingleReply {
    /// The reply to a request that is not served.
    pub(crate) fn refuse(rejection: Rejection, id: ReplyId<'_>) -> Self {
        tracing::debug!(%rejection, "refused");
        let message = {
            let error = rejection.to_error();
            ReplyStart::new(id).error(&error, error.code())
        };
        Self::Error { status: rejection.status(), message, headers: Box::new(rejection.into_headers()) }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Result(message) => message.into_vec(),
            Self::Error { message, .. } => message,
        }
    }
}

/// A result in one buffer, except for a large part that other replies share.
pub(crate) struct ResultMessage {
    text: Vec<u8>,
    /// A part that belongs into `text`, and where.
    shared: Option<(usize, Bytes)>,
}

impl From<Vec<u8>> for ResultMessage {
    fn from(text: Vec<u8>) -> Self {
        Self { text, shared: None }
    }
}

impl ResultMessage {
    /// `text` with `shared` inserted at the index `at`.
    pub(crate) fn with_shared(text: Vec<u8>, at: usize, shared: Bytes) -> Self {
        Self { text, shared: Some((at, shared)) }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self.shared {
            None => self.text,
            Some((at, shared)) => [&self.text[..at], &shared, &self.text[at..]].concat(),
        }
    }

    /// The message as frames of a body: one, or three around a shared part.
    pub(crate) fn into_frames(self) -> Result<Vec<u8>, [Bytes; 3]> {
        let Some((at, shared)) = self.shared else { return Ok(self.text) };
        let mut before = Bytes::from(self.text);
        let after = before.split_off(at);
        Err([before, shared, after])
    }
}
