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
    /// The body is not JSON.
    pub const PARSE_ERROR: Self = Self(-32_700);
    /// JSON, but no JSON-RPC request of this protocol.
    pub const INVALID_REQUEST: Self = Self(-32_600);
    /// The server has no such method.
    pub const METHOD_NOT_FOUND: Self = Self(-32_601);
    /// The method's parameters are wrong; also an unknown tool.
    pub const INVALID_PARAMS: Self = Self(-32_602);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(-32_603);
    /// There is no such resource, as the revisions before 2026-07-28 say it; there it is
    /// [`INVALID_PARAMS`](Self::INVALID_PARAMS), which this becomes.
    pub const RESOURCE_NOT_FOUND: Self = Self(-32_002);
    /// HTTP headers and body disagree (2026-07-28).
    pub const HEADER_MISMATCH: Self = Self(-32_020);
    /// The request needs a capability that the client did not declare (2026-07-28).
    pub const MISSING_CLIENT_CAPABILITY: Self = Self(-32_021);
    /// The server does not speak the requested revision (2026-07-28).
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(-32_022);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A JSON-RPC error: what a client gets instead of a result.
///
/// A failing tool is not one of these: its error belongs in the tool's result,
/// where a model can read it (see [`ToolError`](crate::ToolError)). This type is
/// for a [`Registry`](crate::Registry) that cannot serve a request at all. Its
/// message goes to the client as it is, so it must hold nothing internal.
#[derive(Clone, Debug)]
pub struct RpcError {
    code: ErrorCode,
    message: Cow<'static, str>,
    data: Option<Box<RawValue>>,
}

impl RpcError {
    /// An error with this code and message.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The request's parameters are wrong (`-32602`).
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::INVALID_PARAMS, message)
    }

    /// There is no tool of this name (`-32602`).
    pub fn unknown_tool(name: &str) -> Self {
        Self::invalid_params(format!("Unknown tool: {name}"))
    }

    /// There is no prompt of this name (`-32602`).
    pub fn unknown_prompt(name: &str) -> Self {
        Self::invalid_params(format!("Unknown prompt: {name}"))
    }

    /// A list did not give out this cursor (`-32602`).
    pub fn unknown_cursor() -> Self {
        Self::invalid_params("The cursor is not one of this list")
    }

    /// There is no resource of this URI: `-32602` in 2026-07-28, `-32002` before.
    pub fn resource_not_found(uri: &str) -> Self {
        Self::new(ErrorCode::RESOURCE_NOT_FOUND, "Resource not found")
            .with_data(serde_json::json!({"uri": uri}))
    }

    /// The server failed (`-32603`); says nothing of the reason, which belongs
    /// in the server's log.
    pub fn internal() -> Self {
        Self::new(ErrorCode::INTERNAL_ERROR, "Internal error")
    }

    /// Adds the `data` member. A value that cannot be serialised is left out.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::value::to_raw_value(&data).ok();
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The JSON text of the `data` member.
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref().map(RawValue::get)
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

/// By `?` in a handler it stays what it is, and does not become a tool's result.
impl std::error::Error for RpcError {}
