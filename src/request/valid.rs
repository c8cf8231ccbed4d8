//! What has passed every check.

use std::borrow::Cow;

use super::Params;
use crate::protocol::meta::Meta;
use crate::protocol::method::Method;
use crate::protocol::{Era, LogLevel, Revision};
use crate::rpc::Id;

/// A body that may be acted upon.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and nearly always a request")]
pub(crate) enum Valid<'a> {
    Request(ValidRequest<'a>),
    /// Taken note of; nothing here acts on one, for cancelling is done by
    /// closing the connection.
    Notification,
    /// The requests of a batch of 2025-03-26, each judged by itself.
    Batch(Vec<Result<ValidRequest<'a>, super::Refused<'a>>>),
}

/// A request that keeps the rules of its revision. Borrows from the body.
#[derive(Debug)]
pub(crate) struct ValidRequest<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) revision: Revision,
    pub(crate) method: Method,
    pub(crate) method_name: Cow<'a, str>,
    pub(crate) params: Params<'a>,
    pub(crate) meta: Meta<'a>,
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
