//! What a handler may return.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::{CallError, CallKind, ToolError, from_texts};
use crate::jsonrpc::{ErrorCode, RpcError};

/// The result of a call: a [`ToolOutput`](crate::ToolOutput), a
/// [`PromptOutput`](crate::prompt::PromptOutput) or a [`ResourceOutput`](crate::resource::ResourceOutput).
pub trait Output: Sized + Send + 'static + sealed::Sealed {
    /// What is called.
    #[doc(hidden)]
    const KIND: CallKind;

    /// The answer of a handler that failed, with a message that the client may read.
    #[doc(hidden)]
    fn failed(message: Cow<'static, str>) -> Result<Self, RpcError> {
        Err(RpcError::new(ErrorCode::INTERNAL_ERROR, message))
    }

    /// The answer to a call whose arguments do not fit.
    #[doc(hidden)]
    fn misfit(message: String) -> Result<Self, RpcError> {
        Err(RpcError::invalid_params(message))
    }

    /// Whether the result says that it is an error.
    #[doc(hidden)]
    fn is_error(&self) -> bool {
        false
    }

    /// Reads the arguments, which are texts unless a tool's; the error says what does not
    /// fit, and where.
    #[doc(hidden)]
    fn read_arguments<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
        from_texts(arguments)
    }
}

pub(crate) mod sealed {
    /// Only the crate's own results can be written.
    pub trait Sealed {}
}

/// What a handler may return where a `T` is due.
///
/// For a tool's [`ToolOutput`](crate::ToolOutput): numbers, `bool` and strings become one
/// text; [`Content`](crate::protocol::Content) and `Vec<Content>` stand for themselves, `()` for no
/// content; [`Json`](crate::Json) becomes structured content. For a prompt's
/// [`PromptOutput`](crate::prompt::PromptOutput): a string or content becomes one message of the
/// user's. For a resource's [`ResourceOutput`](crate::resource::ResourceOutput): a string becomes
/// its text, bytes its blob. The error of a `Result` is answered as [`ToolError`] says.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}` where a `{T}` is due",
    label = "cannot become a `{T}`",
    note = "a tool returns a string, a number, `Json<T>`, `Content`, `ToolOutput` or `()`; a prompt a string, \
            `Vec<PromptMessage>` or `PromptOutput`; a resource a string, bytes, `ResourceContent` or \
            `ResourceOutput`; each of them a `Result` of one of those as well",
    note = "for a tool, write `Json<{Self}>`, with `#[derive(serde::Serialize, schemars::JsonSchema)]` above `{Self}`"
)]
pub trait IntoOutput<T> {
    /// The result of the call.
    ///
    /// # Errors
    /// When the call is to be answered by something else than a result.
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
