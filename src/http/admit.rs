//! Checks of a request's head.

use http::Method;
use http::request::Parts;

use super::fields::{Field, Fields};
use super::{AcceptRule, Accepts, HttpFault, HttpPolicy};

/// A request whose head has passed every check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// The body's length in bytes, if the head declares it.
    pub(crate) declared_length: Option<usize>,
}

/// Checks, in this order: `Host` and `Origin` (which the specification requires for every
/// request), method, `Accept`, `Content-Type`, `Content-Length`.
pub(crate) fn admit(
    head: &Parts,
    fields: &Fields<'_>,
    accepts: Accepts,
    policy: &HttpPolicy,
) -> Result<Admitted, HttpFault> {
    policy.origin.check(head, fields)?;
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
    if !is_json(fields.content_type) {
        return Err(HttpFault::UnsupportedMediaType);
    }
    let declared_length = declared_length(fields.content_length);
    if declared_length.is_some_and(|length| length > policy.max_body_size) {
        return Err(HttpFault::BodyTooLarge(policy.max_body_size));
    }
    Ok(Admitted { declared_length })
}

fn is_json(content_type: Field<'_>) -> bool {
    let Field::Once(value) = content_type else { return false };
    // A fast path for the values that clients usually send.
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Returns the length that `Content-Length` declares, if it is a number. An invalid or repeated header
/// is left to the HTTP server, and to the limit on the bytes that are read.
fn declared_length(content_length: Field<'_>) -> Option<usize> {
    content_length.text()?.trim_ascii().parse().ok()
}
