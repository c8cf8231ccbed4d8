//! The failure of a tool.

use std::borrow::Cow;
use std::fmt;

use crate::rpc::RpcError;

/// Why a tool failed: a message that the model reads, and may mend its call by.
///
/// Whatever becomes a `Box<dyn Error + Send + Sync>` becomes one: any
/// [`std::error::Error`], a string, an error of `anyhow`. So `?` just works in a
/// handler; the message is the error's `Display`. For anything else there is
/// [`ToolError::new`].
///
/// An [`RpcError`] becomes one as well, and is answered as that error instead of
/// as a tool's result.
#[derive(Debug)]
pub struct ToolError(pub(super) Failure);

#[derive(Debug)]
pub(super) enum Failure {
    /// A result with `isError`.
    Message(Cow<'static, str>),
    /// A JSON-RPC error.
    Protocol(RpcError),
}

impl ToolError {
    /// A failure with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(Failure::Message(message.to_string().into()))
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self::new(error.into())
    }
}

impl From<RpcError> for ToolError {
    fn from(error: RpcError) -> Self {
        Self(Failure::Protocol(error))
    }
}
