//! The rights of a request.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use serde::de::DeserializeOwned;

use super::insufficient::InsufficientScope;
use super::lifetime::Lifetime;
use super::policy::{CallsAtExpiry, Policy};
use super::token::VerifiedToken;

/// Completes when streams that a token has opened must end.
pub(crate) type TokenEnd = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the access token of a request grants.
///
/// An extractor, like [`Principal`](crate::Principal): a handler takes it as an argument. A
/// [`ResourceServer`](super::ResourceServer) adds it to the extensions of each request that it
/// admits.
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
    /// Creates the access of a token that the host's own middleware has verified, for requests that
    /// pass no [`ResourceServer`](super::ResourceServer). Insert it into the request's extensions
    /// together with the token's [`Principal`](crate::Principal). No scope implies another, and
    /// challenges do not point to any metadata.
    pub fn new(token: VerifiedToken) -> Self {
        Self { token, policy: Arc::default(), lifetime: Lifetime::default() }
    }

    pub(super) fn judged(token: VerifiedToken, policy: Arc<Policy>, lifetime: Lifetime) -> Self {
        Self { token, policy, lifetime }
    }

    /// Returns the access of a request, if it has one.
    pub(crate) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get()
    }

    /// Returns the verified token.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// Returns whether the token grants a scope, either directly or by a broader scope that
    /// [implies](super::ResourceServer::scopes_imply) it.
    pub fn may(&self, scope: &str) -> bool {
        self.policy.grants(&self.token, scope)
    }

    /// Requires scopes inside a handler, for scopes that depend on data that the handler has read.
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
    /// Returns an error if a scope is missing. If the handler returns it, the response is HTTP 403
    /// with a challenge that names all of `scopes`. If the handler has already sent a notification,
    /// the status has been sent, and the error is the last message of the stream.
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
    /// Returns an error if the claims do not match `T`, or if the verifier has set none.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.token.claims()
    }

    /// Whether lists include items that the caller lacks scopes for.
    pub(crate) fn lists_all(&self) -> bool {
        self.policy.lists_all()
    }

    /// Completes when the token is no longer accepted. Subscriptions end then.
    pub(crate) fn end(&self) -> TokenEnd {
        Box::pin(self.lifetime.clone().end(self.token.clone()))
    }

    /// Returns whether calls end with the token.
    #[cfg(feature = "tasks")]
    pub(crate) fn ends_calls(&self) -> bool {
        self.policy.calls_at_expiry == CallsAtExpiry::End
    }

    /// Completes when the token is no longer accepted, if streaming calls end then.
    pub(crate) fn end_of_calls(&self) -> Option<TokenEnd> {
        (self.policy.calls_at_expiry == CallsAtExpiry::End).then(|| self.end())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Access").field(&self.token).finish()
    }
}
