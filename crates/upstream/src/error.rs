//! Why an upstream cannot be used.

use std::time::Duration;

use thiserror::Error;

use super::failure::{Cause, unavailable};
use mcp_stateless::protocol::RpcError;

/// Why an upstream cannot be used. The messages are for the host, and may hold a part of what
/// the upstream said; [`told`](Self::told) is what clients are told.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// A setting is not valid, or does not go with the transport.
    #[error("upstream {upstream:?}: {fault}")]
    Config {
        /// The label of the upstream.
        upstream: String,
        /// What is wrong.
        fault: String,
    },
    /// It could not be started or reached, or it did not accept the client.
    #[error("upstream {upstream:?} cannot be opened: {reason}")]
    Open {
        /// The label of the upstream.
        upstream: String,
        /// What went wrong: an HTTP status and the first line of what came with it, or how the
        /// child ended and the last lines that it wrote to standard error.
        reason: String,
        /// The same in words that clients may read.
        words: String,
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
    /// It ended, or forgot the session, during a call.
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
    /// It answered by an error, or not at all.
    #[error("upstream {upstream:?} answered by an error: {error}")]
    Refused {
        /// The label of the upstream.
        upstream: String,
        /// The error.
        error: RpcError,
    },
}

impl UpstreamError {
    pub(super) fn open(upstream: &str, cause: &Cause) -> Self {
        Self::Open {
            upstream: upstream.to_owned(),
            reason: cause.full(),
            words: cause.words.clone().into_owned(),
        }
    }

    /// Returns what a client is told: which upstream, and the kind of the failure, but nothing
    /// of what the upstream said.
    pub fn told(&self) -> RpcError {
        match self {
            Self::Open { upstream, words, .. } => {
                unavailable(upstream, &format!("is not available: {words}"))
            }
            Self::Config { upstream, .. } => unavailable(upstream, "is not available: it is not set up well"),
            Self::OpenTimeout { upstream, limit } => {
                unavailable(upstream, &format!("is not available: it did not answer within {limit:?}"))
            }
            Self::ShutDown { upstream } => unavailable(upstream, "is not available: it is shut down"),
            Self::Full { upstream, .. } => unavailable(upstream, "has no session left: try again later"),
            Self::Lost { upstream, reason } => {
                unavailable(upstream, &format!("ended the call without an answer: {reason}"))
            }
            Self::Refused { error, .. } => error.clone(),
        }
    }
}
