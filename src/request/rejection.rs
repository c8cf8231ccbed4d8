//! Every rejection of a request, with its HTTP status, its JSON-RPC code and its message.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use thiserror::Error;

use crate::http::{HttpFault, retry_after};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::places::Full;
use crate::protocol::{Era, Revision};

/// Why a request is rejected. The message is sent to the client, so it says how to fix the
/// request, or names the server's setting.
#[derive(Debug, Error)]
pub(crate) enum Rejection {
    #[error("The server is shutting down: try again later, or on another replica")]
    ShuttingDown,
    #[error("{}", too_many_listeners(.0))]
    TooManyListeners(Full),
    #[error("{}", too_many_calls(.0))]
    TooManyCalls(Full),
    #[cfg(any(feature = "hyper", feature = "tower"))]
    #[error("Not found: this server is mounted at {0}")]
    NotFound(std::sync::Arc<str>),
    #[error(transparent)]
    Http(#[from] HttpFault),
    #[error("Parse error: {0}")]
    NotJson(&'static str),
    #[error("Invalid request: {0}")]
    InvalidRequest(&'static str),
    #[error("Invalid request: this is a response, but this server sent no request")]
    UnexpectedResponse,
    #[cfg(feature = "ask")]
    #[error(
        "Invalid request: the question came from another replica, and no call that this one can reach waits for the \
         answer. Either the answer is too late, or the replicas do not share an `answer_bus`"
    )]
    ResponseToAnotherReplica,
    #[cfg(feature = "ask")]
    #[error(
        "The answer cannot be delivered now: the server's `answer_bus` is not connected. Send it again later"
    )]
    AnswerBusUnavailable,
    #[error("Unsupported protocol version")]
    UnsupportedVersion { requested: String, supported: Vec<&'static str> },
    #[error("Header mismatch: {0}")]
    HeaderMismatch(String),
    #[error("Invalid params: {0}")]
    InvalidMeta(Cow<'static, str>),
    #[error("{0}")]
    Refused(Box<Refusal>),
}

impl Rejection {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ShuttingDown
            | Self::TooManyListeners(Full::ForAll(_))
            | Self::TooManyCalls(Full::ForAll(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyListeners(Full::ForPrincipal(_)) | Self::TooManyCalls(Full::ForPrincipal(_)) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            #[cfg(any(feature = "hyper", feature = "tower"))]
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Http(fault) => fault.status(),
            Self::Refused(refusal) => refusal.status,
            Self::NotJson(_)
            | Self::InvalidRequest(_)
            | Self::UnexpectedResponse
            | Self::UnsupportedVersion { .. }
            | Self::HeaderMismatch(_)
            | Self::InvalidMeta(_) => StatusCode::BAD_REQUEST,
            #[cfg(feature = "ask")]
            Self::ResponseToAnotherReplica => StatusCode::BAD_REQUEST,
            #[cfg(feature = "ask")]
            Self::AnswerBusUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The headers that belong to the status.
    pub(crate) fn into_headers(self) -> HeaderMap {
        match self {
            Self::Http(fault) => fault.headers(),
            // Another replica can serve it immediately, and most calls end within moments.
            Self::ShuttingDown | Self::TooManyCalls(_) => retry_after("1"),
            #[cfg(feature = "ask")]
            Self::AnswerBusUnavailable => retry_after("1"),
            // Subscriptions last longer than requests.
            Self::TooManyListeners(_) => retry_after("10"),
            Self::Refused(refusal) => refusal.headers,
            _ => HeaderMap::new(),
        }
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::NotJson(_) | Self::Http(HttpFault::BrokenBody) => ErrorCode::PARSE_ERROR,
            Self::UnsupportedVersion { .. } => ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::HeaderMismatch(_) => ErrorCode::HEADER_MISMATCH,
            Self::InvalidMeta(_) => ErrorCode::INVALID_PARAMS,
            Self::ShuttingDown
            | Self::Http(HttpFault::TooManyBytes(_))
            | Self::TooManyListeners(Full::ForAll(_))
            | Self::TooManyCalls(Full::ForAll(_)) => ErrorCode::INTERNAL_ERROR,
            Self::Refused(refusal) if refusal.status.is_server_error() => ErrorCode::INTERNAL_ERROR,
            #[cfg(feature = "ask")]
            Self::AnswerBusUnavailable => ErrorCode::INTERNAL_ERROR,
            _ => ErrorCode::INVALID_REQUEST,
        }
    }

    /// Returns the error object of the reply.
    pub(crate) fn to_error(&self) -> RpcError {
        let error = RpcError::new(self.code(), self.to_string());
        match self {
            Self::UnsupportedVersion { requested, supported } => {
                error.with_data(json!({"supported": offered(supported, requested), "requested": requested}))
            }
            _ => error,
        }
    }
}

/// Returns the versions to offer the client. If it named a legacy revision in `_meta`, only modern
/// ones are offered: the legacy one is served, but not when it is named there.
fn offered(supported: &[&'static str], requested: &str) -> Vec<&'static str> {
    let is_modern =
        |name: &str| Revision::from_name(name).is_some_and(|revision| revision.era() == Era::Modern);
    let requested_is_served = supported.contains(&requested);
    supported.iter().copied().filter(|name| !requested_is_served || is_modern(name)).collect()
}

fn too_many_listeners(full: &Full) -> String {
    match full {
        Full::ForAll(most) => {
            format!("Too many open subscription streams: the server's `max_listeners` setting allows {most}")
        }
        Full::ForPrincipal(most) => format!(
            "Too many open subscription streams of this caller: the server's `max_listeners_per_principal` setting allows {most}"
        ),
    }
}

fn too_many_calls(full: &Full) -> String {
    match full {
        Full::ForAll(most) => {
            format!(
                "Too many calls in flight: the server's `max_calls` setting allows {most}. Try again later"
            )
        }
        Full::ForPrincipal(most) => format!(
            "Too many calls of this caller in flight: the server's `max_calls_per_principal` setting allows {most}. \
             Try again later"
        ),
    }
}

/// A refusal by the host application, before the body of a request is read: for example, of an
/// unknown tenant.
///
/// The response has this HTTP status and a JSON-RPC error, so that MCP clients can show it. The
/// message is sent to the client verbatim.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    status: StatusCode,
    message: Cow<'static, str>,
    headers: HeaderMap,
}

impl Refusal {
    /// Creates a refusal with a status, which should be 4xx or 5xx, and a message.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), headers: HeaderMap::new() }
    }

    /// Adds a header to the response, such as `WWW-Authenticate` to a 401.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}
