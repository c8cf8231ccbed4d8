//! Faults of a request's head and body, and the HTTP status of each.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use thiserror::Error;

/// A fault of a request on the level of HTTP. The message is sent to the client, so it says how to
/// fix the request, or names the server's setting.
#[derive(Debug, Error)]
pub(crate) enum HttpFault {
    #[error("Host {} is not allowed by the server's `allowed_hosts` setting", quoted(.0.as_deref()))]
    HostNotAllowed(Option<String>),
    #[error("Origin {0:?} is not allowed by the server's `allowed_origins` setting")]
    OriginNotAllowed(String),
    #[error("Method not allowed: use POST. This server has no sessions, so GET and DELETE are not supported")]
    MethodNotAllowed,
    #[error("Not acceptable: accept application/json and text/event-stream")]
    NotAcceptable,
    #[error("Unsupported media type: Content-Type must be application/json")]
    UnsupportedMediaType,
    #[error("The body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("The body did not arrive within {0:?}")]
    ReadTimeout(Duration),
    #[error("The body could not be read to the end")]
    BrokenBody,
    #[error(
        "Too many bytes in flight: the server's `max_bytes_in_flight` setting allows {0}. Try again later"
    )]
    TooManyBytes(usize),
}

impl HttpFault {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::HostNotAllowed(_) | Self::OriginNotAllowed(_) => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ReadTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::TooManyBytes(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The headers that belong to the status.
    pub(crate) fn headers(&self) -> HeaderMap {
        match self {
            Self::MethodNotAllowed => {
                HeaderMap::from_iter([(header::ALLOW, HeaderValue::from_static("POST"))])
            }
            // Other bodies finish, and free their bytes, within moments.
            Self::TooManyBytes(_) => retry_after("1"),
            _ => HeaderMap::new(),
        }
    }
}

/// Returns a `Retry-After` header of `seconds`.
pub(crate) fn retry_after(seconds: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(seconds))])
}

fn quoted(host: Option<&str>) -> String {
    host.map_or_else(|| "of this request".to_owned(), |host| format!("{host:?}"))
}
