//! Why an upstream cannot be used.

use std::time::Duration;

use thiserror::Error;

use crate::rpc::{ErrorCode, RpcError};

/// Why an upstream cannot be used. The messages are for the host's own log; its clients
/// learn no more than that the upstream is not available.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It could not be started or reached, or it did not accept the client.
    #[error("upstream {upstream:?} cannot be opened: {reason}")]
    Open {
        /// The label of the upstream.
        upstream: String,
        /// What went wrong.
        reason: String,
    },
    /// It did not open in time.
    #[error("upstream {upstream:?} did not open within {limit:?}")]
    OpenTimeout {
        /// The label of the upstream.
        upstream: String,
        /// The limit.
        limit: Duration,
    },
    /// As many sessions are open as may be, and all are in use.
    #[error("upstream {upstream:?} has no session left: all {limit} are in use")]
    Full {
        /// The label of the upstream.
        upstream: String,
        /// The limit.
        limit: usize,
    },
    /// It ended, or forgot the session, in the midst of a call.
    #[error("upstream {upstream:?} ended the session: {reason}")]
    Lost {
        /// The label of the upstream.
        upstream: String,
        /// What is known of why.
        reason: String,
    },
    /// It has been shut down here.
    #[error("upstream {upstream:?} is shut down")]
    ShutDown {
        /// The label of the upstream.
        upstream: String,
    },
    /// It answered by an error.
    #[error("upstream {upstream:?} answered by an error: {error}")]
    Refused {
        /// The label of the upstream.
        upstream: String,
        /// The error.
        error: RpcError,
    },
}

impl UpstreamError {
    /// What a client is told: which upstream, and nothing of its insides.
    pub(super) fn to_rpc(&self) -> RpcError {
        let (upstream, what) = match self {
            Self::Open { upstream, .. }
            | Self::OpenTimeout { upstream, .. }
            | Self::ShutDown { upstream } => (upstream, "is not available"),
            Self::Full { upstream, .. } => (upstream, "has no session left: try again later"),
            Self::Lost { upstream, .. } => (upstream, "ended the call without an answer"),
            Self::Refused { error, .. } => return error.clone(),
        };
        RpcError::new(ErrorCode::INTERNAL_ERROR, format!("The upstream {upstream:?} {what}"))
    }
}
