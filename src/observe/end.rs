//! How requests end.

use std::borrow::Cow;

use super::names::OTHER;
use crate::jsonrpc::ErrorCode;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestEnd {
    /// With a result. A `subscriptions/listen` also succeeds when its client leaves.
    Success,
    /// With questions, which the client answers in another request (2026-07-28, Patterns, "Multi
    /// Round-Trip Requests").
    InputRequired,
    /// With a tool's result that has `isError`: the tool failed, or exceeded its time limit.
    ToolError,
    /// With a JSON-RPC error.
    Error(ErrorCode),
    /// Without a reply: the client left, or the server dropped the request.
    Cancelled,
}

impl RequestEnd {
    /// Returns the name of the end: `success`, `input_required`, `tool_error`, `error` or `cancelled`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::InputRequired => "input_required",
            Self::ToolError => "tool_error",
            Self::Error(_) => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the value of `error.type`: `tool_error`, `cancelled` or the code of the error. `None`
    /// if the request did not fail.
    ///
    /// The number of values is bounded, whatever handlers and upstreams return: all codes outside of the
    /// range that JSON-RPC reserves become `_OTHER`.
    pub fn error_type(self) -> Option<Cow<'static, str>> {
        match self {
            Self::Success | Self::InputRequired => None,
            Self::ToolError | Self::Cancelled => Some(self.as_str().into()),
            Self::Error(code) => Some(name_of(code)),
        }
    }

    /// Returns the code of the JSON-RPC error, if there is one.
    pub fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::Error(code) => Some(code),
            _ => None,
        }
    }
}

fn name_of(code: ErrorCode) -> Cow<'static, str> {
    match code.0 {
        -32_768..=-32_000 => code.to_string().into(),
        _ => OTHER.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, RequestEnd};

    #[test]
    fn only_failures_have_an_error_type_and_unlisted_codes_share_one() {
        let error = |code| RequestEnd::Error(ErrorCode(code)).error_type();
        assert_eq!(RequestEnd::Success.error_type(), None);
        assert_eq!(RequestEnd::InputRequired.error_type(), None);
        assert_eq!(RequestEnd::ToolError.error_type().as_deref(), Some("tool_error"));
        assert_eq!(error(-32_602).as_deref(), Some("-32602"));
        assert_eq!(error(418).as_deref(), Some("_OTHER"));
    }
}
