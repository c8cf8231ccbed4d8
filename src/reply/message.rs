//! A reply of one JSON-RPC message, before it becomes an HTTP response.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::jsonrpc::ErrorCode;
use crate::jsonrpc::write::{ReplyId, ReplyStart};
use crate::observe::RequestEnd;
use crate::request::Rejection;
use crate::settings::Settings;

/// A reply of one message.
pub(crate) enum SingleReply {
    Result(ResultMessage),
    Error { status: StatusCode, code: ErrorCode, message: Vec<u8>, headers: Box<HeaderMap> },
}

impl SingleReply {
    /// Returns the error reply to a rejected request.
    pub(crate) fn refuse(rejection: Rejection, id: ReplyId<'_>, settings: &Settings) -> Self {
        Self::refuse_with(rejection, ReplyStart::new(id), settings)
    }

    /// Returns the error reply to a rejected request, whose reply has been started.
    pub(crate) fn refuse_with(rejection: Rejection, start: ReplyStart, settings: &Settings) -> Self {
        settings.observe.refused(&rejection);
        let error = rejection.to_error();
        let (status, code) = (rejection.status(), error.code());
        let message = start.error(&error, code);
        Self::Error { status, code, message, headers: Box::new(rejection.into_headers()) }
    }

    /// Returns how the request ends.
    pub(crate) fn end(&self) -> RequestEnd {
        match self {
            Self::Result(_) => RequestEnd::Success,
            Self::Error { code, .. } => RequestEnd::Error(*code),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Result(message) => message.into_vec(),
            Self::Error { message, .. } => message,
        }
    }
}

/// A result in one buffer, except for a large part that may be shared with other replies.
pub(crate) struct ResultMessage {
    text: Vec<u8>,
    /// The index in `text` at which a shared part is inserted, and the part.
    shared: Option<(usize, Bytes)>,
}

impl From<Vec<u8>> for ResultMessage {
    fn from(text: Vec<u8>) -> Self {
        Self { text, shared: None }
    }
}

impl ResultMessage {
    /// Creates a message of `text` with `shared` inserted at the index `at`.
    pub(crate) fn with_shared(text: Vec<u8>, at: usize, shared: Bytes) -> Self {
        Self { text, shared: Some((at, shared)) }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self.shared {
            None => self.text,
            Some((at, shared)) => [&self.text[..at], &shared, &self.text[at..]].concat(),
        }
    }

    /// Splits the message into body frames: one, or three if it has a shared part.
    pub(crate) fn into_frames(self) -> Result<Vec<u8>, [Bytes; 3]> {
        let Some((at, shared)) = self.shared else { return Ok(self.text) };
        let mut before = Bytes::from(self.text);
        let after = before.split_off(at);
        Err([before, shared, after])
    }
}
