//! Who verifies tokens.

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
/// [`ApiKeys`](super::ApiKeys) implement it. A verifier of your own must accept only tokens that
/// were issued for [`PresentedToken::resource`], and none that has expired or was revoked: whatever
/// it returns `Ok` for is served. It is asked with every request, before the body is read, so it
/// should cache; and it must bound what it keeps, because anybody can send tokens.
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
///             let user = user.ok_or_else(|| TokenError::invalid("there is no such session"))?;
///             Ok(VerifiedToken::new("https://accounts.example.com", user))
///         })
///     }
/// }
/// ```
pub trait TokenVerifier: Send + Sync + 'static {
    /// Verifies a token.
    ///
    /// # Errors
    /// [`TokenError`] says which: the caller gets 401 or 503.
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a>;

    /// Returns the issuers whose tokens it accepts: the `authorization_servers` of the resource's
    /// metadata. By default there are none.
    fn issuers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Asks `other` about tokens that this one finds invalid, such as [`ApiKeys`](super::ApiKeys)
    /// beside JWTs.
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

/// Two verifiers, the second of which is asked about what the first finds invalid. Created by
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

/// The future of [`TokenVerifier::verify`]. Dropping it ends the verification.
#[must_use]
pub struct Verification<'a>(State<'a>);

type Outcome = Result<VerifiedToken, TokenError>;

enum State<'a> {
    /// `None` once it has been taken.
    Ready(Option<Outcome>),
    Later(Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>),
}

impl<'a> Verification<'a> {
    /// Creates an outcome that is known. Does not allocate.
    pub fn ready(outcome: Result<VerifiedToken, TokenError>) -> Self {
        Self(State::Ready(Some(outcome)))
    }

    /// Creates an outcome that a future comes to.
    pub fn later(outcome: impl Future<Output = Result<VerifiedToken, TokenError>> + Send + 'a) -> Self {
        Self(State::Later(Box::pin(outcome)))
    }

    /// Returns the outcome, if it is known.
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

// An outcome that is known is moved out, never pinned.
impl Unpin for Verification<'_> {}

impl fmt::Debug for Verification<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verification").finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
///
/// The reason is logged at `debug`, and an unavailable verifier at `warn`; clients read only which
/// of the three it is.
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
    /// The token is not valid here: 401 with `invalid_token`. The reason must not contain the token.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: TokenErrorKind::Invalid, reason: reason.into(), source: None }
    }

    /// The token has expired: 401 with `invalid_token`.
    pub fn expired() -> Self {
        Self { kind: TokenErrorKind::Expired, reason: "it has expired".into(), source: None }
    }

    /// The token cannot be verified now, because something else is down: 503 with `Retry-After`.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self {
            kind: TokenErrorKind::Unavailable,
            reason: "it cannot be verified now".into(),
            source: Some(source),
        }
    }
}

impl TokenError {
    /// Whether the token will not be accepted later either.
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
