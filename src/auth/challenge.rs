//! The `WWW-Authenticate` of a refusal (RFC 6750, section 3; RFC 9728, section 5.1).

use std::fmt::Write as _;

use http::HeaderValue;

/// Builds a challenge of one scheme.
pub(super) struct Challenge(String);

impl Challenge {
    pub(super) fn new(scheme: &str) -> Self {
        Self(scheme.to_owned())
    }

    /// Adds a parameter whose value is made of visible ASCII and spaces, and has no quotes.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.0.contains('=') { "," } else { "" };
        // A string takes all that it is given.
        let _ = write!(self.0, "{separator} {name}=\"{value}\"");
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) if !value.is_empty() => self.with(name, value),
            _ => self,
        }
    }

    /// Returns the header's value; none if a parameter cannot be in a header.
    pub(super) fn into_value(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.0).ok()
    }
}

/// Whether a resource can need this scope. It is one of RFC 6749, section 3.3, so it can be quoted in
/// a challenge as it is, and not `offline_access`, by which clients ask for refresh tokens: those
/// concern the authorization server alone (2026-07-28, Authorization, "Refresh Tokens").
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        && text != "offline_access"
}
