//! What the head of a request alone decides.

use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::{AcceptRule, Accepts, HttpFault, HttpPolicy};

/// A request whose head is in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// The body's length in bytes, when the head tells.
    pub(crate) declared_length: Option<usize>,
}

/// Checks, in this order: `Host` and `Origin` (which the specification wants of every
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

/// The length that `Content-Length` declares; what is no number is left to the
/// HTTP server below, and to the bound on what is read.
fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
