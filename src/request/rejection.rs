//! Every refusal of a request, in one table: its HTTP status, its JSON-RPC code
//! and its words.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use thiserror::Error;

use crate::http::{HttpFault, retry_after};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::places::Full;
use crate::protocol::{Era, Revision};

/// Why a request is not served. The words go to the client, so they tell how to
/// mend the request, or which setting of the server decided.
#[derive(Debug, Error)]
pub(crate) enum Rejection {
    #[error("The server is shutting down: try again, of another replica or later")]
    ShuttingDown,
    #[error("{}", too_many_listeners(.0))]
    TooManyListeners(Full),
    #[cfg(any(feature = "hyper", feature = "tower"))]
    #[error("Not found: this server is at {0}")]
    NotFound(std::sync::Arc<str>),
    #[error(transparent)]
    Http(#[from] HttpFault),
    #[error("Parse error: {0}")]
    NotJson(&'static str),
    #[error("Invalid request: {0}")]
    InvalidRequest(&'static str),
    #[error("Invalid request: a response was sent, but this server asked nothing")]
    UnexpectedResponse,
    #[cfg(feature = "ask")]
    #[error(
        "Invalid request: another replica of this server asked, and no call waits for the answer where this one can \
         reach it: replicas must share an `answer_bus`, or the answer comes too late"
    )]
    ResponseToAnotherReplica,
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
            Self::ShuttingDown | Self::TooManyListeners(Full::ForAll(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyListeners(Full::ForPrincipal(_)) => StatusCode::TOO_MANY_REQUESTS,
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
        }
    }

    /// The headers that belong to the status.
    pub(crate) fn into_headers(self) -> HeaderMap {
        match self {
            Self::Http(fault) => fault.headers(),
            // Another replica may serve it at once.
            Self::ShuttingDown => retry_after("1"),
            // Listeners leave their places more rarely.
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
            | Self::TooManyListeners(Full::ForAll(_)) => ErrorCode::INTERNAL_ERROR,
            Self::Refused(refusal) if refusal.status.is_server_error() => ErrorCode::INTERNAL_ERROR,
            _ => ErrorCode::INVALID_REQUEST,
        }
    }

    /// The error object of the reply.
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

/// What the client is offered instead. A legacy revision may be served, but not by naming it in
/// `_meta`: a client that did so must not try it again.
fn offered(supported: &[&'static str], requested: &str) -> Vec<&'static str> {
    let is_modern =
        |name: &str| Revision::from_name(name).is_some_and(|revision| revision.era() == Era::Modern);
    let requested_is_served = supported.contains(&requested);
    supported.iter().copied().filter(|name| !requested_is_served || is_modern(name)).collect()
}

fn too_many_listeners(full: &Full) -> String {
    match full {
        Full::ForAll(most) => format!(
            "The server already has {most} open subscription streams and allows no more: its `max_listeners` setting decides"
        ),
        Full::ForPrincipal(most) => format!(
            "This caller already has {most} open subscription streams and may have no more: the server's `max_listeners_per_principal` setting decides"
        ),
    }
}

/// A host application's own refusal of a request, before its body is read: an
/// unknown tenant, say.
///
/// It becomes a JSON-RPC error with this HTTP status, so that MCP clients can
/// show it. The message goes to the client as it is.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    status: StatusCode,
    message: Cow<'static, str>,
    headers: HeaderMap,
}

impl Refusal {
    /// A refusal with this status (which should be one of 4xx or 5xx) and message.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), headers: HeaderMap::new() }
    }

    /// Adds a header to the response, such as the `WWW-Authenticate` that belongs to
    /// a 401.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}
