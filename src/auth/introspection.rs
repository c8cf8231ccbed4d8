//! Opaque access tokens, which their issuer is asked about (RFC 7662).

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::cache::DigestCache;
use super::digest::sha256_of_two;
use super::discovery::check_url;
use super::fetch::{DefaultClient, FetchError, HttpClient, TIME_LIMIT, fetch};
use super::jwt::claims::{ClaimRules, Claims};
use super::token::{PresentedToken, VerifiedToken, valid_subject};
use super::verifier::{TokenError, TokenVerifier, Verification};
use crate::deadline::within;
use crate::error::ConfigError;

/// The most requests to the issuer at the same time.
const MOST_REQUESTS: usize = 32;
/// How long it is remembered that a token is not valid.
const REMEMBER_INVALID: Duration = Duration::from_secs(10);

/// Verifies opaque access tokens by asking their issuer (RFC 7662).
///
/// A token is accepted if the issuer says that it is active, and that its audience is the resource.
/// Answers are remembered for 30 seconds, so a token that is revoked is refused after that time at
/// the latest. Subscriptions that it opened end after twice that time at the latest.
///
/// ```
/// use mcp_stateless::auth::{Introspection, ResourceServer};
///
/// let issuer = Introspection::new(
///     "https://login.example.com",
///     "https://login.example.com/introspect",
///     "mcp-server",
///     "the client's secret",
/// )?;
/// let server = ResourceServer::new("https://mcp.example.com/mcp", issuer)?;
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
#[must_use]
pub struct Introspection {
    issuer: Arc<str>,
    url: String,
    authorization: HeaderValue,
    client: Arc<dyn HttpClient>,
    audiences: Vec<String>,
    audience_rule: AudienceRule,
    remember_for: Duration,
    answers: DigestCache<Option<VerifiedToken>>,
    requests: Semaphore,
}

/// Which answers are accepted that name no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AudienceRule {
    Named,
    Trusted,
}

/// An answer of the issuer.
#[derive(Deserialize)]
struct Answer {
    active: bool,
}

impl Introspection {
    /// Asks the issuer at `url`, and authenticates by a client's id and secret.
    ///
    /// # Errors
    /// When a URL is not of `https` (or of `http` on a loopback host).
    pub fn new(
        issuer: impl Into<Arc<str>>,
        url: impl Into<String>,
        client_id: &str,
        client_secret: &str,
    ) -> Result<Self, ConfigError> {
        let (issuer, url) = (issuer.into(), url.into());
        check_url(&issuer)?;
        check_url(&url)?;
        let mut credentials = form_encoded(client_id);
        credentials.push(':');
        credentials.push_str(&form_encoded(client_secret));
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        let mut authorization = HeaderValue::try_from(authorization)
            .map_err(|_| ConfigError::new("the client's credentials cannot be sent".to_owned()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            issuer,
            url,
            authorization,
            client: Arc::new(DefaultClient::default()),
            audiences: Vec::new(),
            audience_rule: AudienceRule::Named,
            remember_for: Duration::from_secs(30),
            answers: DigestCache::new(10_000),
            requests: Semaphore::new(MOST_REQUESTS),
        })
    }

    /// Accepts tokens for this audience too, besides those for the resource's URL.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens of which the issuer names no audience. Right only where it answers about
    /// tokens for this resource alone: a token for another server would otherwise be accepted.
    pub fn trust_missing_audience(mut self) -> Self {
        self.audience_rule = AudienceRule::Trusted;
        self
    }

    /// Sets how long an answer is remembered; 30 s by default, and at least a second. For so long a
    /// token that has been revoked is still accepted.
    pub fn remember_for(mut self, time: Duration) -> Self {
        self.remember_for = time.max(Duration::from_secs(1));
        self
    }

    /// Sends requests to the issuer by another client.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Arc::new(client);
        self
    }

    async fn ask(&self, presented: PresentedToken<'_>) -> Result<VerifiedToken, TokenError> {
        let failed = |error: FetchError| TokenError::unavailable(error);
        let turn = within(TIME_LIMIT, self.requests.acquire()).await;
        let _turn = turn.ok_or(FetchError::TimedOut).map_err(failed)?.map_err(TokenError::unavailable)?;
        let form = format!("token={}&token_type_hint=access_token", form_encoded(presented.secret));
        let request = Request::post(&self.url)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| failed(FetchError::Malformed("the URL cannot be read")))?;
        let body = fetch(&*self.client, request).await.map_err(failed)?;
        let not_json = || failed(FetchError::Malformed("the answer is not that of an introspection"));
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| not_json())?;
        if !answer.active {
            return Err(TokenError::invalid("its issuer says that it is not active"));
        }
        let claims: Claims = serde_json::from_slice(&body).map_err(|_| not_json())?;
        let token = self.judge(&claims, presented)?;
        Ok(match String::from_utf8(body.into()) {
            Ok(claims) => token.with_claims(claims),
            Err(_) => token,
        })
    }

    fn judge(&self, claims: &Claims, presented: PresentedToken<'_>) -> Result<VerifiedToken, TokenError> {
        let rules = ClaimRules {
            issuer: &self.issuer,
            resource: presented.resource,
            audiences: &self.audiences,
            leeway: Duration::ZERO,
            now: presented.now,
        };
        if claims.iss.as_deref().is_some_and(|issuer| issuer != rules.issuer) {
            return Err(TokenError::invalid("it is of another issuer"));
        }
        let is_for_us =
            claims.is_for(&rules) || self.audience_rule == AudienceRule::Trusted && !claims.names_audience();
        if !is_for_us {
            return Err(TokenError::invalid("it was not issued for this resource"));
        }
        let end = claims.check_time(&rules)?;
        let subject = match (&claims.sub, &claims.client_id) {
            (Some(subject), _) => valid_subject(subject).map(str::to_owned),
            // A client that acts for itself. No subject begins with a space.
            (None, Some(client)) => valid_subject(client).map(|client| format!(" {client}")),
            (None, None) => None,
        };
        let subject = subject.ok_or_else(|| TokenError::invalid("it has no usable subject"))?;
        let token = VerifiedToken::new(Arc::clone(&self.issuer), subject).recheck_every(self.remember_for);
        claims.grant(match end {
            Some(end) => token.expires_at(end),
            None => token,
        })
    }
}

impl TokenVerifier for Introspection {
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
        let digest = sha256_of_two(token.resource.as_str(), token.secret);
        match self.answers.get(&digest, token.now) {
            Some(Some(verified)) if verified.is_expired(token.now) => {
                return Verification::ready(Err(TokenError::expired()));
            }
            Some(Some(verified)) => return Verification::ready(Ok(verified)),
            Some(None) => {
                return Verification::ready(Err(TokenError::invalid("it was not valid a moment ago")));
            }
            None => {}
        }
        Verification::later(async move {
            let outcome = self.ask(token).await;
            let remember = |answer, time: Duration| {
                let until: SystemTime = token.now + time;
                self.answers.insert(digest, answer, until);
            };
            match &outcome {
                Ok(verified) => remember(Some(verified.clone()), self.remember_for),
                Err(error) if error.is_final() => remember(None, REMEMBER_INVALID),
                Err(_) => {}
            }
            outcome
        })
    }

    fn issuers(&self) -> Vec<String> {
        vec![self.issuer.to_string()]
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Introspection").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A text as a form has it.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(byte.into()),
            _ => {
                // A string takes all that it is given.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
