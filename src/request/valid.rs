//! Messages that have passed every check.

use std::borrow::Cow;

use super::Params;
use crate::jsonrpc::Id;
use crate::protocol::method::Method;
use crate::protocol::{Era, LogLevel, Revision};

/// A body that has passed every check.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and nearly always a request")]
pub(crate) enum Valid<'a> {
    Request(ValidRequest<'a>),
    /// Accepted and ignored: clients cancel a request by closing its connection.
    Notification,
    /// The answer to a question of this server (legacy era).
    Answer(ClientAnswer<'a>),
    /// The messages of a batch (2025-03-26) without its notifications. Each is checked separately.
    Batch(Vec<Result<InBatch<'a>, super::Refused<'a>>>),
}

/// A message of a batch.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and nearly always a request")]
pub(crate) enum InBatch<'a> {
    Request(ValidRequest<'a>),
    Answer(ClientAnswer<'a>),
}

/// The answer of a legacy client to a question.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "ask"), expect(dead_code, reason = "nothing was asked"))]
pub(crate) struct ClientAnswer<'a> {
    /// The id of the question.
    pub(crate) id: Id<'a>,
    /// The whole message, as JSON.
    pub(crate) text: &'a str,
}

/// A request that has passed every check. Borrows from the body.
#[derive(Debug)]
pub(crate) struct ValidRequest<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) revision: Revision,
    pub(crate) method: Method,
    pub(crate) method_name: Cow<'a, str>,
    pub(crate) params: Params<'a>,
    /// The minimum level of log messages to send (modern era).
    pub(crate) log_level: Option<LogLevel>,
    /// Private: only [`super::agree`] can create one.
    pub(super) _checked: (),
}

impl ValidRequest<'_> {
    pub(crate) fn era(&self) -> Era {
        self.revision.era()
    }
}
