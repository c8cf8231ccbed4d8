//! The trait for metrics.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::observe::{RequestEnd, Target};
use mcp_stateless::protocol::ErrorCode;

/// Receives the requests and sessions of an upstream, for metrics. Set with
/// [`UpstreamBuilder::observer`](super::UpstreamBuilder::observer).
///
/// By default, each method does nothing. The methods must be fast and must not block. A panic is caught
/// and logged. For the numbers of open sessions and calls in flight, read
/// [`Upstream::stats`](super::Upstream::stats) when metrics are collected.
pub trait UpstreamObserver: Send + Sync + 'static {
    /// Called when a request has ended: its result has arrived, it failed, or it was abandoned.
    fn request_ended(&self, request: &EndedUpstreamRequest<'_>) {
        let _ = request;
    }

    /// Called when a session was opened.
    fn session_opened(&self, upstream: &str) {
        let _ = upstream;
    }

    /// Called when a session has ended.
    fn session_ended(&self, upstream: &str, duration: Duration) {
        let _ = (upstream, duration);
    }
}

impl<O: UpstreamObserver + ?Sized> UpstreamObserver for Arc<O> {
    fn request_ended(&self, request: &EndedUpstreamRequest<'_>) {
        (**self).request_ended(request);
    }

    fn session_opened(&self, upstream: &str) {
        (**self).session_opened(upstream);
    }

    fn session_ended(&self, upstream: &str, duration: Duration) {
        (**self).session_ended(upstream, duration);
    }
}

/// A request to an upstream that has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EndedUpstreamRequest<'a> {
    /// The label of the upstream.
    pub upstream: &'a str,
    /// The method.
    pub method: &'static str,
    /// The tool, prompt or resource of a call. `None` for other requests, and if the upstream's lists do not
    /// have it, because clients could otherwise create new names.
    pub target: Option<Target<'a>>,
    /// The name of the revision, or `_OTHER` if it is not known.
    pub revision: &'static str,
    /// The transport: `tcp` or `pipe`.
    pub transport: &'static str,
    /// How the request ended.
    pub end: UpstreamEnd,
    /// The time since the request was sent.
    pub duration: Duration,
}

/// How a request to an upstream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamEnd {
    /// With a result.
    Success,
    /// With a tool's result that has `isError`.
    ToolError,
    /// With a JSON-RPC error.
    Error(ErrorCode),
    /// The upstream did not know the session.
    Forgotten,
    /// The session or the answer was lost.
    Lost,
    /// The upstream could not be reached.
    Unreachable,
    /// The upstream refused the request, or its answer could not be read.
    Failed,
    /// The upstream could not serve the request at the time.
    Busy,
    /// The caller abandoned the request.
    Cancelled,
}

impl UpstreamEnd {
    /// Returns the value of `error.type`; `None` if the request did not fail.
    pub fn error_type(self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Success => return None,
            Self::ToolError => "tool_error",
            Self::Error(code) => return RequestEnd::Error(code).error_type(),
            Self::Forgotten => "forgotten",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
        }))
    }

    /// Returns the code of the JSON-RPC error, if there is one.
    pub fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::Error(code) => Some(code),
            _ => None,
        }
    }
}
