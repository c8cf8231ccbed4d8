//! The error object of a reply.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

/// The code of a JSON-RPC error.
///
/// The names are those of JSON-RPC 2.0 and of the MCP specification, Base
/// Protocol, section "Error Codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i64);

impl ErrorCode {
    /// The body is not valid JSON.
    pub const PARSE_ERROR: Self = Self(-32_700);
    /// Valid JSON, but not a valid JSON-RPC request.
    pub const INVALID_REQUEST: Self = Self(-32_600);
    /// The server has no such method.
    pub const METHOD_NOT_FOUND: Self = Self(-32_601);
    /// The method's parameters are invalid, or name an unknown tool or prompt.
    pub const INVALID_PARAMS: Self = Self(-32_602);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(-32_603);
    /// There is no such resource, in revisions before 2026-07-28. Replies of 2026-07-28 have
    /// [`INVALID_PARAMS`](Self::INVALID_PARAMS) instead.
    pub const RESOURCE_NOT_FOUND: Self = Self(-32_002);
    /// The user must visit a URL first, in 2025-11-25. Replies of 2026-07-28 have
    /// [`INTERNAL_ERROR`](Self::INTERNAL_ERROR) instead: there, a call that needs this ends with a question.
    pub const URL_ELICITATION_REQUIRED: Self = Self(-32_042);
    /// HTTP headers and body disagree (2026-07-28).
    pub const HEADER_MISMATCH: Self = Self(-32_020);
    /// The request needs a capability that the client did not declare (2026-07-28).
    pub const MISSING_CLIENT_CAPABILITY: Self = Self(-32_021);
    /// The server does not support the requested revision (2026-07-28).
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(-32_022);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A JSON-RPC error, sent to the client instead of a result.
///
/// Do not use it for a tool that fails: that error belongs in the tool's result, where a model can
/// read it (see [`ToolError`](crate::ToolError)). It is for a [`Registry`](crate::Registry) that
/// cannot serve a request at all. The message is sent to the client verbatim, so it must not contain
/// internal details.
#[derive(Clone, Debug)]
pub struct RpcError {
    code: ErrorCode,
    message: Cow<'static, str>,
    data: Option<Box<RawValue>>,
    is_temporary: bool,
}

impl RpcError {
    /// Creates an error with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None, is_temporary: false }
    }

    /// Creates an error for invalid parameters (`-32602`).
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::INVALID_PARAMS, message)
    }

    /// Creates an error for an unknown tool (`-32602`).
    pub fn unknown_tool(name: &str) -> Self {
        Self::invalid_params(format!("Unknown tool: {name}"))
    }

    /// Creates an error for an unknown prompt (`-32602`).
    pub fn unknown_prompt(name: &str) -> Self {
        Self::invalid_params(format!("Unknown prompt: {name}"))
    }

    /// Creates an error for a cursor that does not belong to the list (`-32602`).
    pub fn unknown_cursor() -> Self {
        Self::invalid_params("The cursor does not belong to this list")
    }

    /// Creates an error for an unknown resource: `-32602` in 2026-07-28, `-32002` before.
    pub fn resource_not_found(uri: &str) -> Self {
        Self::new(ErrorCode::RESOURCE_NOT_FOUND, "Resource not found")
            .with_data(serde_json::json!({"uri": uri}))
    }

    /// Creates an error for a failure of the server (`-32603`). It does not contain the reason,
    /// which belongs in the server's log.
    pub fn internal() -> Self {
        Self::new(ErrorCode::INTERNAL_ERROR, "Internal error")
    }

    /// Creates an error for a dependency of the server that is not available, such as a store (`-32603`).
    /// The request must have had no effect, so that the client can send it again: the reply has the status
    /// 503 and `Retry-After: 1`, unless it is already a stream or belongs to a batch.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self { is_temporary: true, ..Self::new(ErrorCode::INTERNAL_ERROR, message) }
    }

    /// Sets the `data` member. A value that cannot be serialised is omitted.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::value::to_raw_value(&data).ok();
        self
    }

    /// Returns the code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Returns whether the error was created with [`unavailable`](Self::unavailable), so that the request
    /// may succeed later.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the JSON text of the `data` member.
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref().map(RawValue::get)
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

/// With `?` in a handler it is sent as a JSON-RPC error, not as a tool's result.
impl std::error::Error for RpcError {}
