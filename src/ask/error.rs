//! Why a question has no answer.

use std::fmt;
use std::time::Duration;

use crate::jsonrpc::RpcError;

/// Why a question has no answer that the handler can go on with.
///
/// By `?` it becomes a [`ToolError`](crate::ToolError) that says so to the model, or a JSON-RPC error where
/// the specification wants one, or where there is no model to tell: of a prompt and a
/// resource.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskError {
    /// The user said no.
    Declined,
    /// The user dismissed the question without an answer.
    Cancelled,
    /// The client answered with an error, because it cannot ask, say.
    Refused(RpcError),
    /// The answer is not of the type that was asked for.
    Misfit(String),
    /// The client cannot be asked: it takes no stream, or too many calls wait for answers.
    Unreachable(&'static str),
    /// Nothing came in time.
    TimedOut(Duration),
    /// The call is over, and asks nothing more.
    Ended,
    /// What the client is to be told, such as the capability that it did not declare.
    Rpc(RpcError),
}

impl fmt::Display for AskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => formatter.write_str("The user declined"),
            Self::Cancelled => formatter.write_str("The user cancelled"),
            Self::Refused(error) => write!(formatter, "The client refused the question: {error}"),
            Self::Misfit(fault) => write!(formatter, "The client's answer does not fit: {fault}"),
            Self::Unreachable(reason) => write!(formatter, "The client cannot be asked: {reason}"),
            Self::TimedOut(limit) => write!(formatter, "The client did not answer within {limit:?}"),
            Self::Ended => formatter.write_str("The call is over"),
            Self::Rpc(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for AskError {}
