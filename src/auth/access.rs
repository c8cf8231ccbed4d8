//! What a request may do.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use serde::de::DeserializeOwned;

use super::insufficient::InsufficientScope;
use super::lifetime::Lifetime;
use super::policy::{CallsAtExpiry, Policy};
use super::token::VerifiedToken;

/// The end of what a token has opened.
pub(crate) type TokenEnd = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the access token of a request grants.
///
/// A handler takes it by its type, as it takes a [`Principal`](crate::Principal). It is among the
/// extensions of each request that has passed a [`ResourceServer`](super::ResourceServer).
///
/// ```
/// use mcp_stateless::ToolRegistry;
/// use mcp_stateless::auth::Access;
///
/// let tools = ToolRegistry::builder()
///     .tool("whoami", "Tell who is calling", async |access: Access| access.token().subject().to_owned())
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct Access {
    token: VerifiedToken,
    policy: Arc<Policy>,
    lifetime: Lifetime,
}

impl Access {
    /// Creates the access of a token that the host's own middleware has verified, for a request that
    /// passes no [`ResourceServer`](super::ResourceServer): insert it into the extensions, besides
    /// the token's [`Principal`](crate::Principal). No scope implies another, and challenges do not
    /// name any metadata.
    pub fn new(token: VerifiedToken) -> Self {
        Self { token, policy: Arc::default(), lifetime: Lifetime::default() }
    }

    pub(super) fn judged(token: VerifiedToken, policy: Arc<Policy>, lifetime: Lifetime) -> Self {
        Self { token, policy, lifetime }
    }

    /// Returns the access of a request that has passed a resource server.
    pub(crate) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get()
    }

    /// Returns what the token says.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// Returns whether the token grants a scope, itself or by a broader one that
    /// [implies](super::ResourceServer::scopes_imply) it.
    pub fn may(&self, scope: &str) -> bool {
        self.policy.grants(&self.token, scope)
    }

    /// Demands scopes of the caller, in a handler whose rights depend on what it finds.
    ///
    /// ```
    /// use mcp_stateless::ToolError;
    /// use mcp_stateless::auth::Access;
    ///
    /// async fn publish(access: Access) -> Result<&'static str, ToolError> {
    ///     access.require(["articles:publish"])?;
    ///     Ok("published")
    /// }
    /// ```
    ///
    /// # Errors
    /// When one is missing. Returned by the handler, it becomes HTTP 403 with all of `scopes` in
    /// one challenge, unless the handler has sent a notification before: then the status has been
    /// sent, and the error is the stream's last message.
    pub fn require<S: AsRef<str>>(
        &self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<(), InsufficientScope> {
        let scopes: Vec<S> = scopes.into_iter().collect();
        if scopes.iter().all(|scope| self.may(scope.as_ref())) {
            return Ok(());
        }
        Err(self.policy.insufficient(&self.token, &scopes.iter().map(AsRef::as_ref).collect::<Vec<_>>()))
    }

    /// Deserialises the token's claims; see [`VerifiedToken::claims`].
    ///
    /// # Errors
    /// When they do not fit, or when there are none.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.token.claims()
    }

    /// Whether lists show what the caller would need more scopes for.
    pub(crate) fn lists_all(&self) -> bool {
        self.policy.lists_all()
    }

    /// Completes when the token is no longer accepted, and a subscription ends.
    pub(crate) fn end(&self) -> TokenEnd {
        Box::pin(self.lifetime.clone().end(self.token.clone()))
    }

    /// Returns whether calls end with the token.
    #[cfg(feature = "tasks")]
    pub(crate) fn ends_calls(&self) -> bool {
        self.policy.calls_at_expiry == CallsAtExpiry::End
    }

    /// Completes when a call that streams ends because of its token, if it ever does.
    pub(crate) fn end_of_calls(&self) -> Option<TokenEnd> {
        (self.policy.calls_at_expiry == CallsAtExpiry::End).then(|| self.end())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Access").field(&self.token).finish()
    }
}
