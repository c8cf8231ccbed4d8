//! Errors of upstreams.

use std::time::Duration;

use mcp_stateless::protocol::RpcError;
use thiserror::Error;

use super::failure::{Cause, unavailable};

/// Why an upstream cannot be used. The messages are for the host, and may contain text from the
/// upstream; [`told`](Self::told) is what clients see.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// A setting is not valid, or does not apply to the transport.
    #[error("upstream {upstream:?}: {fault}")]
    #[non_exhaustive]
    Config {
        /// The label of the upstream.
        upstream: String,
        /// The problem.
        fault: String,
    },
    /// It could not be started or reached, or it refused the client.
    #[error("upstream {upstream:?} cannot be opened: {reason}")]
    #[non_exhaustive]
    Open {
        /// The label of the upstream.
        upstream: String,
        /// The cause: an HTTP status and the first line of the body, or how the child ended and the
        /// last lines that it wrote to its standard error, or to its standard output besides messages.
        reason: String,
        /// The same for clients.
        words: String,
    },
    /// It did not open in time.
    #[error("upstream {upstream:?} did not open within {limit:?}{}", after(.said))]
    #[non_exhaustive]
    OpenTimeout {
        /// The label of the upstream.
        upstream: String,
        /// The limit.
        limit: Duration,
        /// The last lines that a child wrote to its standard error, or to its standard output if they
        /// are not messages. Empty if there are none.
        said: String,
    },
    /// All sessions that may be open are in use.
    #[error("upstream {upstream:?} has no session left: all {limit} are in use")]
    #[non_exhaustive]
    Full {
        /// The label of the upstream.
        upstream: String,
        /// The limit.
        limit: usize,
    },
    /// It ended, or forgot the session, during a call.
    #[error("upstream {upstream:?} ended the session: {reason}")]
    #[non_exhaustive]
    Lost {
        /// The label of the upstream.
        upstream: String,
        /// The cause, if known.
        reason: String,
    },
    /// It was shut down by the host.
    #[error("upstream {upstream:?} is shut down")]
    #[non_exhaustive]
    ShutDown {
        /// The label of the upstream.
        upstream: String,
    },
    /// It responded with an error, or not at all.
    #[error("upstream {upstream:?} responded with an error: {error}")]
    #[non_exhaustive]
    Refused {
        /// The label of the upstream.
        upstream: String,
        /// The error.
        error: RpcError,
    },
}

/// Returns the last output of a child, to append to an error.
fn after(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl UpstreamError {
    pub(super) fn open(upstream: &str, cause: &Cause) -> Self {
        Self::Open {
            upstream: upstream.to_owned(),
            reason: cause.full(),
            words: cause.words.clone().into_owned(),
        }
    }

    /// Returns the message for clients: the upstream and the kind of failure, without any text from
    /// the upstream.
    pub fn told(&self) -> RpcError {
        match self {
            Self::Open { upstream, words, .. } => {
                unavailable(upstream, &format!("is not available: {words}"))
            }
            Self::Config { upstream, .. } => unavailable(upstream, "is not available: it is not set up well"),
            Self::OpenTimeout { upstream, limit, .. } => {
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
