//! The refusal of an operation whose scopes the caller lacks.

use std::error::Error;
use std::fmt;

use http::HeaderValue;

/// An error for a request whose token lacks scopes: HTTP 403 with `insufficient_scope`.
#[derive(Clone)]
pub struct InsufficientScope {
    scopes: Box<str>,
    pub(crate) challenge: Option<HeaderValue>,
}

impl InsufficientScope {
    /// Creates the error of an operation that needs `scopes`, separated by spaces.
    pub(super) fn new(scopes: Box<str>, challenge: Option<HeaderValue>) -> Self {
        Self { scopes, challenge }
    }

    /// Creates the error of a request that has not passed a resource server.
    pub(crate) fn without_token(scopes: &[&str]) -> Self {
        Self::new(scopes.join(" ").into(), None)
    }
}

impl fmt::Display for InsufficientScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Forbidden: this needs the scopes {:?}", self.scopes)
    }
}

impl fmt::Debug for InsufficientScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("InsufficientScope").field(&self.scopes).finish()
    }
}

impl Error for InsufficientScope {}
