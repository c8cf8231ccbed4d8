//! Faults of a request's head and body, and the HTTP status of each.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use thiserror::Error;

/// A fault that HTTP alone decides. The message goes to the client, so it says how to mend the
/// request, or which setting of the server decided.
#[derive(Debug, Error)]
pub(crate) enum HttpFault {
    #[error("Host {} is not allowed: the server's `allowed_hosts` setting decides", quoted(.0.as_deref()))]
    HostNotAllowed(Option<String>),
    #[error("Origin {0:?} is not allowed: the server's `allowed_origins` setting decides")]
    OriginNotAllowed(String),
    #[error("Method not allowed: send requests by POST; there is no session to stream or to end")]
    MethodNotAllowed,
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
    #[error(
        "The server is reading as many bytes as it may, {0}: try again later; its `max_bytes_in_flight` setting decides"
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
            // Bytes are given back within moments.
            Self::TooManyBytes(_) => retry_after("1"),
            _ => HeaderMap::new(),
        }
    }
}

/// A `Retry-After` of this many seconds.
pub(crate) fn retry_after(seconds: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(seconds))])
}

fn quoted(host: Option<&str>) -> String {
    host.map_or_else(|| "of this request".to_owned(), |host| format!("{host:?}"))
}
