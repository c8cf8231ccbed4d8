//! The types that a handler may return.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::{CallError, CallKind, ToolError, from_texts};
use crate::jsonrpc::{ErrorCode, RpcError};

/// The result of a call: a [`ToolOutput`](crate::ToolOutput), a
/// [`PromptOutput`](crate::prompt::PromptOutput) or a [`ResourceOutput`](crate::resource::ResourceOutput).
pub trait Output: Sized + Send + 'static + sealed::Sealed {
    /// The kind of call with this result.
    #[doc(hidden)]
    const KIND: CallKind;

    /// Returns the answer for a handler that failed. The client sees the message.
    #[doc(hidden)]
    fn failed(message: Cow<'static, str>) -> Result<Self, RpcError> {
        Err(RpcError::new(ErrorCode::INTERNAL_ERROR, message))
    }

    /// Returns the answer to a call with invalid arguments.
    #[doc(hidden)]
    fn misfit(message: String) -> Result<Self, RpcError> {
        Err(RpcError::invalid_params(message))
    }

    /// Returns whether the result reports an error.
    #[doc(hidden)]
    fn is_error(&self) -> bool {
        false
    }

    /// Deserialises the arguments. Except for a tool, their values are strings. The error message
    /// says what is invalid, and where.
    #[doc(hidden)]
    fn read_arguments<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
        from_texts(arguments)
    }
}

pub(crate) mod sealed {
    /// Seals [`Output`](super::Output): only this crate can write results.
    pub trait Sealed {}
}

/// A type that a handler may return, because it converts into the output `T`.
///
/// - For the [`ToolOutput`](crate::ToolOutput) of a tool: a number, a `bool` or a string becomes a
///   text; [`Content`](crate::protocol::Content) and `Vec<Content>` are the content, and `()` is no
///   content; [`Json`](crate::Json) becomes structured content.
/// - For the [`PromptOutput`](crate::prompt::PromptOutput) of a prompt: a string or content becomes
///   one message of the user.
/// - For the [`ResourceOutput`](crate::resource::ResourceOutput) of a resource: a string becomes its
///   text, and bytes become its blob.
///
/// Each of them may be in a `Result`, whose error converts into a [`ToolError`].
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}` where a `{T}` is expected",
    label = "cannot become a `{T}`",
    note = "a tool returns a string, a number, `Json<T>`, `Content`, `ToolOutput` or `()`; a prompt a string, \
            `Vec<PromptMessage>` or `PromptOutput`; a resource a string, bytes, `ResourceContent` or \
            `ResourceOutput`; each of them a `Result` of one of those as well",
    note = "for a tool, write `Json<{Self}>`, with `#[derive(serde::Serialize, schemars::JsonSchema)]` above `{Self}`"
)]
pub trait IntoOutput<T> {
    /// Converts the value into the result of the call.
    ///
    /// # Errors
    /// Returns an error if the call has no result: see [`CallError`].
    fn into_output(self) -> Result<T, CallError>;
}

impl<T: Output> IntoOutput<T> for T {
    fn into_output(self) -> Result<T, CallError> {
        Ok(self)
    }
}

impl<T: Output, V: IntoOutput<T>, E: Into<ToolError>> IntoOutput<T> for Result<V, E> {
    fn into_output(self) -> Result<T, CallError> {
        match self {
            Ok(value) => value.into_output(),
            Err(error) => Err(error.into().0),
        }
    }
}
