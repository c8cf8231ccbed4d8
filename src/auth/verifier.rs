//! The trait of token verifiers.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::token::{PresentedToken, VerifiedToken};

/// Verifies the access tokens of requests.
///
/// [`JwtVerifier`](super::JwtVerifier), [`Introspection`](super::Introspection) and
/// [`ApiKeys`](super::ApiKeys) implement it. Your own verifier must only accept tokens that were
/// issued for [`PresentedToken::resource`] and have neither expired nor been revoked, because a request is
/// served whenever it returns `Ok`. It is called for every request before the body is read, so it
/// should cache its results. The cache must be bounded, because anyone can send tokens.
///
/// ```
/// use mcp_stateless::auth::{PresentedToken, TokenError, TokenVerifier, VerifiedToken, Verification};
///
/// # struct Sessions;
/// # impl Sessions { async fn user(&self, _: &str) -> Result<Option<String>, std::io::Error> { Ok(None) } }
/// struct MyTokens(Sessions);
///
/// impl TokenVerifier for MyTokens {
///     fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
///         Verification::later(async move {
///             let user = self.0.user(token.secret).await.map_err(TokenError::unavailable)?;
///             let user = user.ok_or_else(|| TokenError::invalid("unknown session"))?;
///             Ok(VerifiedToken::new("https://accounts.example.com", user))
///         })
///     }
/// }
/// ```
pub trait TokenVerifier: Send + Sync + 'static {
    /// Verifies a token.
    ///
    /// # Errors
    /// Returns a [`TokenError`], which decides whether the caller gets 401 or 503.
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a>;

    /// Returns the issuers whose tokens the verifier accepts: the `authorization_servers` of the
    /// resource's metadata. Empty by default.
    fn issuers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Tries `other` for tokens that this verifier finds invalid, for example
    /// [`ApiKeys`](super::ApiKeys) after JWTs.
    fn or<V: TokenVerifier>(self, other: V) -> EitherVerifier<Self, V>
    where
        Self: Sized,
    {
        EitherVerifier(self, other)
    }
}

impl<V: TokenVerifier + ?Sized> TokenVerifier for Arc<V> {
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
        (**self).verify(token)
    }

    fn issuers(&self) -> Vec<String> {
        (**self).issuers()
    }
}

/// Two verifiers. The second is tried for tokens that the first finds invalid. Created by
/// [`TokenVerifier::or`].
#[derive(Clone, Debug)]
pub struct EitherVerifier<A, B>(A, B);

impl<A: TokenVerifier, B: TokenVerifier> TokenVerifier for EitherVerifier<A, B> {
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
        match self.0.verify(token).at_once() {
            Ok(Err(error)) if error.kind == TokenErrorKind::Invalid => self.1.verify(token),
            Ok(outcome) => Verification::ready(outcome),
            Err(later) => Verification::later(async move {
                match later.await {
                    Err(error) if error.kind == TokenErrorKind::Invalid => self.1.verify(token).await,
                    outcome => outcome,
                }
            }),
        }
    }

    fn issuers(&self) -> Vec<String> {
        let mut issuers = self.0.issuers();
        issuers.extend(self.1.issuers());
        issuers
    }
}

/// The future of [`TokenVerifier::verify`]. Dropping it cancels the verification.
#[must_use]
pub struct Verification<'a>(State<'a>);

type Outcome = Result<VerifiedToken, TokenError>;

enum State<'a> {
    /// `None` after the outcome has been returned.
    Ready(Option<Outcome>),
    Later(Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>),
}

impl<'a> Verification<'a> {
    /// Creates a verification whose outcome is known. Does not allocate.
    pub fn ready(outcome: Result<VerifiedToken, TokenError>) -> Self {
        Self(State::Ready(Some(outcome)))
    }

    /// Creates a verification from a future, which it boxes.
    pub fn later(outcome: impl Future<Output = Result<VerifiedToken, TokenError>> + Send + 'a) -> Self {
        Self(State::Later(Box::pin(outcome)))
    }

    /// Returns the outcome if it is known, and otherwise the verification.
    fn at_once(self) -> Result<Outcome, Self> {
        match self.0 {
            State::Ready(Some(outcome)) => Ok(outcome),
            state => Err(Self(state)),
        }
    }
}

impl Future for Verification<'_> {
    type Output = Result<VerifiedToken, TokenError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
            State::Later(outcome) => outcome.as_mut().poll(cx),
        }
    }
}

// A known outcome is moved out and never pinned.
impl Unpin for Verification<'_> {}

impl fmt::Debug for Verification<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verification").finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
///
/// The reason is logged at `debug`, and at `warn` if the verifier is unavailable. Clients only see
/// which of the three kinds it is.
#[derive(Debug)]
pub struct TokenError {
    pub(super) kind: TokenErrorKind,
    reason: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenErrorKind {
    Invalid,
    Expired,
    Unavailable,
}

impl TokenError {
    /// Creates the error of an invalid token: 401 with `invalid_token`. The reason must not contain
    /// the token.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: TokenErrorKind::Invalid, reason: reason.into(), source: None }
    }

    /// Creates the error of an expired token: 401 with `invalid_token`.
    pub fn expired() -> Self {
        Self { kind: TokenErrorKind::Expired, reason: "the token has expired".into(), source: None }
    }

    /// Creates the error of a token that cannot be verified now, because the issuer or a store is
    /// down: 503 with `Retry-After`.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self {
            kind: TokenErrorKind::Unavailable,
            reason: "the token cannot be verified now".into(),
            source: Some(source),
        }
    }
}

impl TokenError {
    /// Returns whether a later attempt would fail as well.
    pub(super) fn is_final(&self) -> bool {
        self.kind != TokenErrorKind::Unavailable
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)?;
        match &self.source {
            Some(source) => write!(formatter, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for TokenError {}
