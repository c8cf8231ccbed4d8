//! Every refusal of a request, in one table: its HTTP status, its JSON-RPC code
//! and its words.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use thiserror::Error;

use crate::config::Settings;
use crate::protocol::{ClientCapability, Era, Revision};
use crate::rpc::{ErrorCode, Raw, RpcError};
use crate::stream::Full;

/// Why a request is not served. The words go to the client, so they tell how to
/// mend the request, or which setting of the server decided.
#[derive(Debug, Error)]
pub(crate) enum Rejection {
    #[error("The server is shutting down: try again, of another replica or later")]
    ShuttingDown,
    #[error("{}", too_many_listeners(.0))]
    TooManyListeners(Full),
    #[error(
        "The server is reading as many bytes as it may, {0}: try again later; its `max_bytes_in_flight` setting decides"
    )]
    TooManyBytes(usize),
    #[cfg(any(feature = "hyper", feature = "tower"))]
    #[error("Not found: this server is at {0}")]
    NotFound(std::sync::Arc<str>),
    #[error("Method not allowed: send requests by POST; there is no session to stream or to end")]
    MethodNotAllowed,
    #[error("Host {} is not allowed: the server's `allowed_hosts` setting decides", quoted(.0.as_deref()))]
    HostNotAllowed(Option<String>),
    #[error("Origin {0:?} is not allowed: the server's `allowed_origins` setting decides")]
    OriginNotAllowed(String),
    #[error("Not acceptable: accept application/json and text/event-stream")]
    NotAcceptable,
    #[error("Unsupported media type: Content-Type must be application/json")]
    UnsupportedMediaType,
    #[error("The body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("The body did not arrive within {0:?}")]
    ReadTimeout(Duration),
    #[error("The body could not be read to its end")]
    BrokenBody,
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
    UnsupportedVersion { requested: String },
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
            Self::ShuttingDown | Self::TooManyBytes(_) | Self::TooManyListeners(Full::ForAll(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TooManyListeners(Full::ForPrincipal(_)) => StatusCode::TOO_MANY_REQUESTS,
            #[cfg(any(feature = "hyper", feature = "tower"))]
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::HostNotAllowed(_) | Self::OriginNotAllowed(_) => StatusCode::FORBIDDEN,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ReadTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Refused(refusal) => refusal.status,
            Self::BrokenBody
            | Self::NotJson(_)
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
            Self::MethodNotAllowed => {
                HeaderMap::from_iter([(header::ALLOW, HeaderValue::from_static("POST"))])
            }
            // Another replica may take it at once; bytes are given back within moments, places
            // of listeners more rarely.
            Self::ShuttingDown | Self::TooManyBytes(_) => retry_after("1"),
            Self::TooManyListeners(_) => retry_after("10"),
            Self::Refused(refusal) => refusal.headers,
            _ => HeaderMap::new(),
        }
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::NotJson(_) | Self::BrokenBody => ErrorCode::PARSE_ERROR,
            Self::UnsupportedVersion { .. } => ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::HeaderMismatch(_) => ErrorCode::HEADER_MISMATCH,
            Self::InvalidMeta(_) => ErrorCode::INVALID_PARAMS,
            Self::ShuttingDown | Self::TooManyBytes(_) | Self::TooManyListeners(Full::ForAll(_)) => {
                ErrorCode::INTERNAL_ERROR
            }
            Self::Refused(refusal) if refusal.status.is_server_error() => ErrorCode::INTERNAL_ERROR,
            _ => ErrorCode::INVALID_REQUEST,
        }
    }

    /// The error object of the reply.
    pub(crate) fn to_error(&self, settings: &Settings) -> RpcError {
        let error = RpcError::new(self.code(), self.to_string());
        match self {
            Self::UnsupportedVersion { requested } => {
                let mut supported = settings.version_names();
                // A legacy version is served, but not in `_meta`: whoever asked for it
                // there is not to try it again.
                if supported.contains(&requested.as_str()) {
                    supported
                        .retain(|name| Revision::from_name(name).is_some_and(|it| it.era() == Era::Modern));
                }
                error.with_data(json!({"supported": supported, "requested": requested}))
            }
            _ => error,
        }
    }
}

fn too_many_listeners(full: &Full) -> String {
    match full {
        Full::ForAll(most) => format!(
            "The server already has {most} open streams of subscriptions, and allows no more: its `max_listeners` setting decides"
        ),
        Full::ForPrincipal(most) => format!(
            "This caller already has {most} open streams of subscriptions, and may have no more: the server's `max_listeners_per_principal` setting decides"
        ),
    }
}

fn retry_after(seconds: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(seconds))])
}

fn quoted(host: Option<&str>) -> String {
    host.map_or_else(|| "of this request".to_owned(), |host| format!("{host:?}"))
}

/// A method that the server does not have.
pub(crate) fn method_not_found(method: &str) -> RpcError {
    RpcError::new(ErrorCode::METHOD_NOT_FOUND, format!("Method not found: {method}"))
}

/// Demands a capability of the client's. In the legacy era no request tells, and
/// nothing is demanded.
pub(crate) fn require(
    capability: ClientCapability,
    era: Era,
    declared: Option<Raw<'_>>,
) -> Result<(), RpcError> {
    if era == Era::Legacy || declared.is_some_and(|declared| capability.is_in(declared)) {
        return Ok(());
    }
    let name = capability.as_str();
    let required = capability.to_json();
    let error = RpcError::new(
        ErrorCode::MISSING_CLIENT_CAPABILITY,
        format!("This request needs the client capability `{name}`, which it does not declare"),
    );
    Err(error.with_data(json!({"requiredCapabilities": required})))
}

/// The tool's headers and arguments disagree.
pub(crate) fn header_mismatch(what: &str) -> RpcError {
    RpcError::new(ErrorCode::HEADER_MISMATCH, format!("Header mismatch: {what}"))
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
