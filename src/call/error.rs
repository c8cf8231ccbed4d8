//! The errors of calls.

use std::error::Error;
use std::fmt;

use super::HandlerError;
#[cfg(feature = "ask")]
use crate::ask::{AskError, InputRequired};
#[cfg(feature = "auth")]
use crate::auth::InsufficientScope;
use crate::jsonrpc::RpcError;
use crate::places::Full;
use crate::request::Rejection;

type AnyError = Box<dyn Error + Send + Sync>;

/// The error of a handler: why a tool, a prompt or a resource failed, and whether the client may
/// see the reason.
///
/// | created by | the client sees |
/// |---|---|
/// | [`ToolError::new`] | the message, which is declared safe to show |
/// | `?`, or another conversion from an error or a string | an internal error, unless the host configures [`ManagerBuilder::map_errors`], [`ManagerBuilder::on_error`] or [`ManagerBuilder::show_errors`] |
/// | [`ToolError::internal`] | an internal error, always |
///
/// The client of a tool gets a result with `isError`, so that its model can correct the call. The
/// client of a prompt or a resource gets an error with the code `-32603`. A message that is not
/// shown is replaced by a reference, which is also in the server's log. Every error is logged,
/// with its sources.
///
/// Every type that converts into a `Box<dyn Error + Send + Sync>` converts into a `ToolError`: each
/// [`std::error::Error`], strings, and the errors of `anyhow`. A string is not considered safe,
/// because it often holds the text of another error. An [`RpcError`] is sent as a JSON-RPC error
/// instead of a tool's result, and its message is shown.
///
/// ```
/// use mcp_stateless::ToolError;
///
/// async fn price(item: &str) -> Result<u32, ToolError> {
///     let prices = tokio::fs::read_to_string("/srv/prices").await?; // the client does not see the path
///     let line = prices.lines().find_map(|line| line.strip_prefix(item));
///     let price = line.ok_or_else(|| ToolError::new(format!("There is no item {item:?}")))?;
///     price.trim().parse().map_err(ToolError::internal)
/// }
/// ```
///
/// [`ManagerBuilder::show_errors`]: crate::manager::ManagerBuilder::show_errors
/// [`ManagerBuilder::map_errors`]: crate::manager::ManagerBuilder::map_errors
/// [`ManagerBuilder::on_error`]: crate::manager::ManagerBuilder::on_error
///
/// It does not implement [`std::error::Error`], which would conflict with the conversion from every
/// error. [`CallError`] and [`HandlerError`], which it contains, do.
#[derive(Debug)]
pub struct ToolError(pub(super) CallError);

impl ToolError {
    /// Creates an error with a message that is safe to show.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(HandlerError::declared(message.to_string()).into())
    }

    /// Creates an error that is logged, with its sources, but never shown to clients.
    pub fn internal(source: impl Into<AnyError>) -> Self {
        Self(HandlerError::internal(source.into()).into())
    }
}

/// The message is for the host: it may contain details that clients must not see.
impl fmt::Display for ToolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<E: Into<AnyError>> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self(CallError::of(error.into()))
    }
}

#[cfg(feature = "ask")]
impl From<InputRequired> for ToolError {
    fn from(required: InputRequired) -> Self {
        Self(required.into())
    }
}

impl From<ToolError> for CallError {
    fn from(error: ToolError) -> Self {
        error.0
    }
}

/// The reply to a call that has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// A JSON-RPC error, sent verbatim.
    Rpc(RpcError),
    /// The handler failed.
    Failed(HandlerError),
    /// Questions to the client, which then calls again with the answers (2026-07-28,
    /// Patterns, "Multi Round-Trip Requests").
    #[cfg(feature = "ask")]
    InputRequired(Box<InputRequired>),
    /// Too many calls are in flight: HTTP 429 or 503. Created by the manager, if the host
    /// [limits](crate::manager::ManagerBuilder::max_calls) them.
    TooManyCalls(TooManyCalls),
    /// The caller's token lacks a scope: HTTP 403.
    #[cfg(feature = "auth")]
    InsufficientScope(Box<InsufficientScope>),
}

/// The limit of calls in flight that was reached: that of the caller, or that of all callers.
#[derive(Clone, Copy, Debug)]
pub struct TooManyCalls(pub(crate) Full);

impl fmt::Display for TooManyCalls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rejection::TooManyCalls(self.0).fmt(formatter)
    }
}

impl CallError {
    /// Converts an error. The error types of this crate are recognised inside the box.
    fn of(error: AnyError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(other) => other,
        };
        let error = match error.downcast::<RpcError>() {
            Ok(error) => return Self::Rpc(*error),
            Err(other) => other,
        };
        #[cfg(feature = "ask")]
        let error = match error.downcast::<AskError>().map(|error| *error) {
            Ok(AskError::Rpc(error)) => return Self::Rpc(error),
            // All other errors describe what the client did, so they are safe to show.
            Ok(other) => return HandlerError::declared(other.to_string()).into(),
            Err(other) => other,
        };
        #[cfg(feature = "auth")]
        let error = match error.downcast::<InsufficientScope>() {
            Ok(missing) => return Self::InsufficientScope(missing),
            Err(other) => other,
        };
        match error.downcast::<HandlerError>() {
            Ok(error) => (*error).into(),
            Err(other) => HandlerError::undeclared(other).into(),
        }
    }
}

impl From<RpcError> for CallError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<HandlerError> for CallError {
    fn from(error: HandlerError) -> Self {
        Self::Failed(error)
    }
}

/// The message is for the host: it may contain details that clients must not see.
impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(error) => error.fmt(formatter),
            Self::Failed(error) => error.fmt(formatter),
            #[cfg(feature = "ask")]
            Self::InputRequired(_) => formatter.write_str("the client must answer questions first"),
            Self::TooManyCalls(full) => full.fmt(formatter),
            #[cfg(feature = "auth")]
            Self::InsufficientScope(missing) => missing.fmt(formatter),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}
