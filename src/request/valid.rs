//! What has passed every check.

use std::borrow::Cow;

use super::Params;
use crate::jsonrpc::Id;
use crate::protocol::method::Method;
use crate::protocol::{Era, LogLevel, Revision};

/// A body that may be acted upon.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and nearly always a request")]
pub(crate) enum Valid<'a> {
    Request(ValidRequest<'a>),
    /// Taken note of; nothing here acts on one, for cancelling is done by
    /// closing the connection.
    Notification,
    /// The answer to a question of this server's.
    Answer(ClientAnswer<'a>),
    /// What a batch of 2025-03-26 holds but notifications, each judged by itself.
    Batch(Vec<Result<InBatch<'a>, super::Refused<'a>>>),
}

/// A message of a batch.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and nearly always a request")]
pub(crate) enum InBatch<'a> {
    Request(ValidRequest<'a>),
    Answer(ClientAnswer<'a>),
}

/// What a client of the legacy era answers to a question.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "ask"), expect(dead_code, reason = "nothing was asked"))]
pub(crate) struct ClientAnswer<'a> {
    /// The id that the question had.
    pub(crate) id: Id<'a>,
    /// The whole message.
    pub(crate) text: &'a str,
}

/// A request that keeps the rules of its revision. Borrows from the body.
#[derive(Debug)]
pub(crate) struct ValidRequest<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) revision: Revision,
    pub(crate) method: Method,
    pub(crate) method_name: Cow<'a, str>,
    pub(crate) params: Params<'a>,
    /// The level from which on log messages are wanted (modern).
    pub(crate) log_level: Option<LogLevel>,
    /// Only [`super::agree`] can build one.
    pub(super) _checked: (),
}

impl ValidRequest<'_> {
    pub(crate) fn era(&self) -> Era {
        self.revision.era()
    }
}
