//! Checks of a request's head.

use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::{AcceptRule, Accepts, HttpFault, HttpPolicy};

/// A request whose head has passed every check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// The body's length in bytes, if the head declares it.
    pub(crate) declared_length: Option<usize>,
}

/// Checks, in this order: `Host` and `Origin` (which the specification requires for every
/// request), method, `Accept`, `Content-Type`, `Content-Length`.
pub(crate) fn admit(head: &Parts, accepts: Accepts, policy: &HttpPolicy) -> Result<Admitted, HttpFault> {
    policy.origin.check(head)?;
    if head.method != Method::POST {
        return Err(HttpFault::MethodNotAllowed);
    }
    let fits = match policy.accept {
        AcceptRule::Either => accepts.takes_json() || accepts.takes_stream(),
        AcceptRule::Both => accepts.names_both(),
    };
    if !fits {
        return Err(HttpFault::NotAcceptable);
    }
    if !is_json(&head.headers) {
        return Err(HttpFault::UnsupportedMediaType);
    }
    let declared_length = declared_length(&head.headers);
    if declared_length.is_some_and(|length| length > policy.max_body_size) {
        return Err(HttpFault::BodyTooLarge(policy.max_body_size));
    }
    Ok(Admitted { declared_length })
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Returns the length that `Content-Length` declares, if it is a number. An invalid header is left
/// to the HTTP server, and to the limit on the bytes that are read.
fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
