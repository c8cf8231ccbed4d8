//! API keys that the host issues itself.

use std::fmt;
use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::digest::{Digest, sha256};
use super::token::{PresentedToken, VerifiedToken};
use super::verifier::{TokenError, TokenVerifier, Verification};

/// API keys that the host issues itself. This is the simplest setup, because it needs no authorization
/// server. Clients send their key as a bearer token.
///
/// Only digests of the keys are stored. A presented key is compared with every digest in constant
/// time, which suits up to a few hundred keys. A key should have at least 128 random bits. Keys do
/// not expire.
///
/// ```
/// use mcp_stateless::auth::{ApiKeys, ResourceServer};
///
/// # let key = "iJ0mYv2W8mJrVt9mUqkq7g";
/// let keys = ApiKeys::new("https://mcp.example.com").key(key, "build-server", ["tickets:read"]);
/// let server = ResourceServer::new("https://mcp.example.com/mcp", keys)?;
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ApiKeys {
    issuer: Arc<str>,
    keys: Vec<(Digest, VerifiedToken)>,
}

impl ApiKeys {
    /// Creates an empty set of keys. `issuer` becomes part of the callers'
    /// [`Principal`](crate::Principal)s, and distinguishes them from those of an authorization server.
    pub fn new(issuer: impl Into<Arc<str>>) -> Self {
        Self { issuer: issuer.into(), keys: Vec::new() }
    }

    /// Adds a caller's key and the scopes that it grants: `[]` if the server has none.
    pub fn key<'s>(
        mut self,
        key: &str,
        caller: impl Into<Arc<str>>,
        scopes: impl IntoIterator<Item = &'s str>,
    ) -> Self {
        let token = VerifiedToken::new(Arc::clone(&self.issuer), caller).scopes(scopes);
        self.keys.push((sha256(key.as_bytes()), token));
        self
    }

    fn find(&self, secret: &str) -> Option<&VerifiedToken> {
        let digest = sha256(secret.as_bytes());
        let (mut index, mut found) = (0_u64, Choice::from(0));
        for (at, (other, _)) in (0_u64..).zip(&self.keys) {
            let is_equal = digest.ct_eq(other);
            index.conditional_assign(&at, is_equal);
            found |= is_equal;
        }
        let index = usize::try_from(index).ok().filter(|_| bool::from(found))?;
        self.keys.get(index).map(|(_, token)| token)
    }
}

impl TokenVerifier for ApiKeys {
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
        let found = self.find(token.secret).cloned();
        Verification::ready(found.ok_or_else(|| TokenError::invalid("unknown key")))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiKeys").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
