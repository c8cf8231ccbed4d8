//! Kinds of refusals.

use http::StatusCode;

use crate::http::HttpFault;
use crate::request::Rejection;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// `Host` is not served.
    Host,
    /// `Origin` is not served.
    Origin,
    /// The method of HTTP is not POST.
    HttpMethod,
    /// The path is another one.
    Path,
    /// The client does not accept the type of the response.
    Accept,
    /// The body is not JSON by its type.
    ContentType,
    /// The body is too large.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body could not be read.
    BodyBroken,
    /// Too many bytes of bodies are waiting for the rest.
    TooManyBytes,
    /// There is no place for another listener.
    TooManyListeners,
    /// The answer cannot be passed on, because the bus between replicas is not connected.
    AnswerBusUnavailable,
    /// There is no place for another call.
    TooManyCalls,
    /// The server is shutting down.
    ShuttingDown,
    /// The body is not valid JSON.
    NotJson,
    /// The body is not a valid request, or an answer that nobody waits for.
    InvalidRequest,
    /// The revision is not served.
    UnsupportedVersion,
    /// A header differs from the body.
    HeaderMismatch,
    /// `_meta` is not valid.
    InvalidMeta,
    /// The caller did not authenticate: 401.
    Unauthorized,
    /// The caller may not do this: 403, by the host or the resource server.
    Forbidden,
    /// The host refused it for another reason, or the authorization server is down.
    ByHost,
}

impl RefusalKind {
    /// Returns a name in snake case: `host`, `body_too_large`.
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
