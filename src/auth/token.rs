//! Access tokens, before and after verification.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::resource::ResourceUrl;
use crate::principal::Principal;

/// The maximum length of an issuer or a subject, in bytes.
const MAX_NAME: usize = 1024;

/// An access token of a request, which a [`TokenVerifier`](super::TokenVerifier) is to verify.
///
/// Its `Debug` does not show the token.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct PresentedToken<'a> {
    /// The token: 1 to [`max_token_size`](super::ResourceServer::max_token_size) bytes of
    /// `A-Z a-z 0-9 - . _ ~ + / =`.
    pub secret: &'a str,
    /// The resource that the token must have been issued for (RFC 8707).
    pub resource: &'a ResourceUrl,
    /// The current time.
    pub now: SystemTime,
}

impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PresentedToken")
            .field("resource", &self.resource.as_str())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// The content of a verified access token: the caller's identity and scopes.
///
/// Created by a [`TokenVerifier`](super::TokenVerifier). It does not contain the token itself.
/// Cloning is cheap.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use mcp_stateless::auth::VerifiedToken;
///
/// let token = VerifiedToken::new("https://login.example.com", "user-17")
///     .scopes(["tickets:read", "tickets:write"])
///     .expires_at(SystemTime::now() + Duration::from_secs(300));
/// assert!(token.has_scope("tickets:write"));
/// ```
#[derive(Clone)]
pub struct VerifiedToken(Arc<Verified>);

#[derive(Clone)]
struct Verified {
    principal: Principal,
    issuer: Arc<str>,
    subject: Arc<str>,
    client_id: Option<Arc<str>>,
    scopes: Vec<Box<str>>,
    expires_at: Option<SystemTime>,
    recheck_every: Option<Duration>,
    key_thumbprint: Option<Box<str>>,
    /// The JSON text of an object.
    claims: Option<Arc<str>>,
}

impl VerifiedToken {
    /// Creates a token without scopes that never expires.
    ///
    /// `issuer` and `subject` together identify the caller permanently. The caller's [`Principal`] is
    /// both texts with a space between them.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        let (issuer, subject) = (issuer.into(), subject.into());
        Self(Arc::new(Verified {
            principal: Principal::new(format!("{issuer} {subject}")),
            issuer,
            subject,
            client_id: None,
            scopes: Vec::new(),
            expires_at: None,
            recheck_every: None,
            key_thumbprint: None,
            claims: None,
        }))
    }

    /// Sets the scopes that were granted.
    #[must_use]
    pub fn scopes<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.edit().scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the OAuth client that the token was issued to.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<Arc<str>>) -> Self {
        self.edit().client_id = Some(client_id.into());
        self
    }

    /// Sets the time at which the token expires. Subscriptions that it opened end then.
    #[must_use]
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.edit().expires_at = Some(time);
        self
    }

    /// Verifies the token again at this interval while a subscription that it opened lasts, so that
    /// the stream ends when the token is revoked. The minimum is one second. By default the token is
    /// not verified again.
    #[must_use]
    pub fn recheck_every(mut self, interval: Duration) -> Self {
        self.edit().recheck_every = Some(interval.max(Duration::from_secs(1)));
        self
    }

    /// Binds the token to the key with this JWK SHA-256 thumbprint (RFC 7638), which tokens carry in
    /// `cnf.jkt`. Each request must then prove possession of the key (RFC 9449).
    #[must_use]
    pub fn bound_to_key(mut self, thumbprint: impl Into<Box<str>>) -> Self {
        self.edit().key_thumbprint = Some(thumbprint.into());
        self
    }

    /// Sets the claims, as the JSON text of an object.
    #[must_use]
    pub fn with_claims(mut self, json: impl Into<Arc<str>>) -> Self {
        self.edit().claims = Some(json.into());
        self
    }

    fn edit(&mut self) -> &mut Verified {
        Arc::make_mut(&mut self.0)
    }

    /// Returns the caller as a [`Principal`].
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// Returns the issuer.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Returns the subject: the issuer's identifier of the caller.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the OAuth client that the token was issued to, if known.
    pub fn client(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    /// Returns whether exactly this scope was granted. [`Access::may`](super::Access::may) also takes
    /// implied scopes into account.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|granted| &**granted == scope)
    }

    /// Returns the scopes that were granted.
    pub fn granted(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(|scope| &**scope)
    }

    /// Returns the time at which the token expires, if it does.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// Deserialises the claims into a type of the host.
    ///
    /// # Errors
    /// Returns an error if the claims do not match `T`, or if the verifier has set none.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.claims.as_deref().unwrap_or("null"))
    }

    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        self.0.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns whether both tokens grant the same scopes, in any order, to the same caller.
    pub(super) fn grants_as(&self, other: &Self) -> bool {
        let scopes = |token: &Self| -> BTreeSet<Box<str>> { token.0.scopes.iter().cloned().collect() };
        self.principal() == other.principal() && scopes(self) == scopes(other)
    }

    pub(super) fn recheck(&self) -> Option<Duration> {
        self.0.recheck_every
    }

    pub(super) fn key_thumbprint(&self) -> Option<&str> {
        self.0.key_thumbprint.as_deref()
    }
}

/// The content of a token, as it is stored with a task that outlives its request (feature `tasks`).
#[cfg(feature = "tasks")]
#[derive(serde::Deserialize, serde::Serialize)]
pub(crate) struct SavedToken {
    principal: String,
    issuer: String,
    subject: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    expires_at: Option<SystemTime>,
    claims: Option<String>,
}

#[cfg(feature = "tasks")]
impl VerifiedToken {
    /// Copies the content of the token. The copy cannot be verified again.
    pub(crate) fn save(&self) -> SavedToken {
        SavedToken {
            principal: self.principal().as_str().to_owned(),
            issuer: self.issuer().to_owned(),
            subject: self.subject().to_owned(),
            client_id: self.client().map(str::to_owned),
            scopes: self.granted().map(str::to_owned).collect(),
            expires_at: self.expiry(),
            claims: self.0.claims.as_deref().map(str::to_owned),
        }
    }
}

#[cfg(feature = "tasks")]
impl SavedToken {
    pub(crate) fn restore(&self) -> VerifiedToken {
        VerifiedToken(Arc::new(Verified {
            principal: Principal::new(self.principal.as_str()),
            issuer: self.issuer.as_str().into(),
            subject: self.subject.as_str().into(),
            client_id: self.client_id.as_deref().map(Into::into),
            scopes: self.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            expires_at: self.expires_at,
            recheck_every: None,
            key_thumbprint: None,
            claims: self.claims.as_deref().map(Into::into),
        }))
    }
}

/// Shows the caller and its scopes, but no claims.
impl fmt::Debug for VerifiedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedToken")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("scopes", &self.0.scopes)
            .field("expires_at", &self.0.expires_at)
            .finish_non_exhaustive()
    }
}

/// Returns the subject if it is valid: not empty, bounded, without control characters, and without a
/// leading space, which tells clients apart from subjects.
pub(super) fn valid_subject(subject: &str) -> Option<&str> {
    let is_valid = !subject.is_empty()
        && subject.len() <= MAX_NAME
        && !subject.starts_with(' ')
        && !subject.chars().any(char::is_control);
    is_valid.then_some(subject)
}
