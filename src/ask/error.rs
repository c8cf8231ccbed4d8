//! Errors of questions.

use std::fmt;
use std::time::Duration;

use crate::jsonrpc::RpcError;

/// Why a question has no usable answer.
///
/// With `?` it becomes a [`ToolError`](crate::ToolError) whose message the model reads, or a
/// JSON-RPC error where the specification wants one.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskError {
    /// The user said no.
    Declined,
    /// The user dismissed the question without an answer.
    Cancelled,
    /// The client answered with an error, for example because it cannot ask its user.
    Refused(RpcError),
    /// The answer does not deserialise as the requested type.
    Misfit(String),
    /// The client cannot be asked: it accepts no stream, or too many calls wait for answers.
    Unreachable(&'static str),
    /// No answer arrived in time.
    TimedOut(Duration),
    /// The call has ended, and cannot ask.
    Ended,
    /// A JSON-RPC error, which becomes the reply, for example because the client did not declare a
    /// capability.
    Rpc(RpcError),
}

impl fmt::Display for AskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => formatter.write_str("The user declined"),
            Self::Cancelled => formatter.write_str("The user cancelled"),
            Self::Refused(error) => write!(formatter, "The client refused the question: {error}"),
            Self::Misfit(fault) => write!(formatter, "The client's answer is not valid: {fault}"),
            Self::Unreachable(reason) => write!(formatter, "The client cannot be asked: {reason}"),
            Self::TimedOut(limit) => write!(formatter, "The client did not answer within {limit:?}"),
            Self::Ended => formatter.write_str("The call has ended"),
            Self::Rpc(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for AskError {}
