//! The failure of a call.

use std::borrow::Cow;
use std::fmt;

#[cfg(feature = "ask")]
use crate::ask::InputRequired;
use crate::rpc::RpcError;

/// Why a handler failed: a message that the model reads, and may mend its call by.
///
/// Whatever becomes a `Box<dyn Error + Send + Sync>` becomes one: any
/// [`std::error::Error`], a string, an error of `anyhow`. So `?` just works in a
/// handler; the message is the error's `Display`. For anything else there is
/// [`ToolError::new`].
///
/// Prompts and resources have no place for such a message: it is logged, and their
/// client gets `-32603` without it.
///
/// An [`RpcError`] becomes one as well, and is answered as that error instead of
/// as a tool's result.
#[derive(Debug)]
pub struct ToolError(pub(super) Failure);

#[derive(Debug)]
pub(super) enum Failure {
    /// A result with `isError`.
    Message(Cow<'static, str>),
    /// The same, but no secret where there is no such result.
    #[cfg(feature = "ask")]
    Unanswered(String),
    /// No result.
    Call(CallError),
}

impl ToolError {
    /// A failure with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(Failure::Message(message.to_string().into()))
    }

    /// A failure for want of the client's answer, of which the client may know.
    #[cfg(feature = "ask")]
    pub(crate) fn unanswered(message: impl fmt::Display) -> Self {
        Self(Failure::Unanswered(message.to_string()))
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self::new(error.into())
    }
}

impl From<RpcError> for ToolError {
    fn from(error: RpcError) -> Self {
        Self(Failure::Call(error.into()))
    }
}

impl From<CallError> for ToolError {
    fn from(error: CallError) -> Self {
        Self(Failure::Call(error))
    }
}

/// What a call is answered by instead of its result.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// A JSON-RPC error.
    Rpc(RpcError),
    /// Questions to the client, which then calls again with the answers (2026-07-28,
    /// Patterns, "Multi Round-Trip Requests").
    #[cfg(feature = "ask")]
    InputRequired(Box<InputRequired>),
}

impl From<RpcError> for CallError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}
