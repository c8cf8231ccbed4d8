//! The `WWW-Authenticate` header of a refusal (RFC 6750, section 3; RFC 9728, section 5.1).

use std::fmt::Write as _;

use http::HeaderValue;

/// A builder of one challenge.
pub(super) struct Challenge(String);

impl Challenge {
    pub(super) fn new(scheme: &str) -> Self {
        Self(scheme.to_owned())
    }

    /// Adds a parameter. The value must consist of visible ASCII and spaces, without quotes.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.0.contains('=') { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{separator} {name}=\"{value}\"");
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) if !value.is_empty() => self.with(name, value),
            _ => self,
        }
    }

    /// Returns the header's value, or `None` if a parameter is not valid in a header.
    pub(super) fn into_value(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.0).ok()
    }
}

/// Whether a resource can require this scope. It must be valid (RFC 6749, section 3.3), so that it needs
/// no escaping in a challenge. `offline_access` requests a refresh token, which only concerns the
/// authorization server (2026-07-28, Authorization, "Refresh Tokens").
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        && text != "offline_access"
}
