//! What a handler may return.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::error::{Failure, ToolError};
use super::{CallError, NoArguments, from_texts};
#[cfg(feature = "ask")]
use crate::rpc::ErrorCode;
use crate::rpc::RpcError;

/// The result of a call: a [`ToolOutput`](crate::ToolOutput), a
/// [`PromptOutput`](crate::PromptOutput) or a [`ResourceOutput`](crate::ResourceOutput).
pub trait Output: Sized + Send + 'static + sealed::Sealed {
    /// What becomes of a handler that failed with this message. Where a result has no place
    /// for it, it stays here.
    #[doc(hidden)]
    fn failed(message: Cow<'static, str>) -> Result<Self, CallError> {
        tracing::error!(%message, "a prompt or a resource failed");
        Err(RpcError::internal().into())
    }

    /// What becomes of a handler that the client did not answer.
    #[doc(hidden)]
    #[cfg(feature = "ask")]
    fn unanswered(message: String) -> Result<Self, CallError> {
        Err(RpcError::new(ErrorCode::INTERNAL_ERROR, message).into())
    }

    /// What becomes of a call whose arguments do not fit.
    #[doc(hidden)]
    fn misfit(message: String) -> Result<Self, CallError> {
        Err(RpcError::invalid_params(message).into())
    }

    /// Whether a handler that takes nothing serves a call with these arguments.
    #[doc(hidden)]
    fn takes_none(arguments: &str) -> Result<(), String> {
        Self::read_arguments(arguments).map(|NoArguments {}| ())
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
/// text; [`Content`](crate::Content) and `Vec<Content>` stand for themselves, `()` for no
/// content; [`Json`](crate::Json) becomes structured content. For a prompt's
/// [`PromptOutput`](crate::PromptOutput): a string or content becomes one message of the
/// user's. For a resource's [`ResourceOutput`](crate::ResourceOutput): a string becomes
/// its text, bytes its blob. Of a `Result`, an error is what [`ToolError`] says.
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
            Err(error) => match error.into().0 {
                Failure::Message(message) => T::failed(message),
                #[cfg(feature = "ask")]
                Failure::Unanswered(message) => T::unanswered(message),
                Failure::Call(error) => Err(error),
            },
        }
    }
}
