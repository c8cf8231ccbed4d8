//! Kinds of refusals.

use http::StatusCode;

use crate::http::HttpFault;
use crate::request::Rejection;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// `Host` is not allowed: 403.
    Host,
    /// `Origin` is not allowed: 403.
    Origin,
    /// The HTTP method is not POST: 405.
    HttpMethod,
    /// The path is not served: 404.
    Path,
    /// `Accept` allows neither JSON nor event streams: 406.
    Accept,
    /// `Content-Type` is not JSON: 415.
    ContentType,
    /// The body is too large: 413.
    BodyTooLarge,
    /// The body did not arrive in time: 408.
    BodyTimeout,
    /// The body could not be read: 400.
    BodyBroken,
    /// The limit of all bodies that are being read was reached: 503.
    TooManyBytes,
    /// A limit of listeners was reached: 429 or 503.
    TooManyListeners,
    /// The answer cannot be delivered, because the bus between replicas is not connected: 503.
    AnswerBusUnavailable,
    /// A limit of calls was reached: 429 or 503.
    TooManyCalls,
    /// The server is shutting down: 503.
    ShuttingDown,
    /// The body is not valid JSON: 400.
    NotJson,
    /// The body is not a valid request, or is an answer that no call waits for: 400.
    InvalidRequest,
    /// The revision of the protocol is not supported: 400.
    UnsupportedVersion,
    /// A header differs from the body: 400.
    HeaderMismatch,
    /// `_meta` is not valid: 400.
    InvalidMeta,
    /// The caller did not authenticate: 401.
    Unauthorized,
    /// The caller lacks the right: 403 by the host or the resource server.
    Forbidden,
    /// The host refused the request for another reason, or the authorization server is down.
    ByHost,
}

impl RefusalKind {
    /// Returns the name of the kind in snake case, such as `host` or `body_too_large`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::HttpMethod => "http_method",
            Self::Path => "path",
            Self::Accept => "accept",
            Self::ContentType => "content_type",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::TooManyBytes => "too_many_bytes",
            Self::TooManyListeners => "too_many_listeners",
            Self::AnswerBusUnavailable => "answer_bus_unavailable",
            Self::TooManyCalls => "too_many_calls",
            Self::ShuttingDown => "shutting_down",
            Self::NotJson => "not_json",
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedVersion => "unsupported_version",
            Self::HeaderMismatch => "header_mismatch",
            Self::InvalidMeta => "invalid_meta",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::ByHost => "by_host",
        }
    }

    pub(super) fn of(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::ShuttingDown => Self::ShuttingDown,
            Rejection::TooManyListeners(_) => Self::TooManyListeners,
            Rejection::TooManyCalls(_) => Self::TooManyCalls,
            #[cfg(any(feature = "hyper", feature = "tower"))]
            Rejection::NotFound(_) => Self::Path,
            Rejection::Http(fault) => Self::of_fault(fault),
            Rejection::NotJson(_) => Self::NotJson,
            Rejection::InvalidRequest(_) | Rejection::UnexpectedResponse => Self::InvalidRequest,
            #[cfg(feature = "ask")]
            Rejection::ResponseToAnotherReplica => Self::InvalidRequest,
            #[cfg(feature = "ask")]
            Rejection::AnswerBusUnavailable => Self::AnswerBusUnavailable,
            Rejection::UnsupportedVersion { .. } => Self::UnsupportedVersion,
            Rejection::HeaderMismatch(_) => Self::HeaderMismatch,
            Rejection::InvalidMeta(_) => Self::InvalidMeta,
            Rejection::Refused(_) => match rejection.status() {
                StatusCode::UNAUTHORIZED => Self::Unauthorized,
                StatusCode::FORBIDDEN => Self::Forbidden,
                _ => Self::ByHost,
            },
        }
    }

    fn of_fault(fault: &HttpFault) -> Self {
        match fault {
            HttpFault::HostNotAllowed(_) => Self::Host,
            HttpFault::OriginNotAllowed(_) => Self::Origin,
            HttpFault::MethodNotAllowed => Self::HttpMethod,
            HttpFault::NotAcceptable => Self::Accept,
            HttpFault::UnsupportedMediaType => Self::ContentType,
            HttpFault::BodyTooLarge(_) => Self::BodyTooLarge,
            HttpFault::ReadTimeout(_) => Self::BodyTimeout,
            HttpFault::BrokenBody => Self::BodyBroken,
            HttpFault::TooManyBytes(_) => Self::TooManyBytes,
        }
    }
}
