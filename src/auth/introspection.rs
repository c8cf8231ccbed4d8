//! Token introspection for opaque access tokens (RFC 7662).

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

/// The maximum number of concurrent requests to the issuer.
const MOST_REQUESTS: usize = 32;
/// How long an invalid token is cached.
const REMEMBER_INVALID: Duration = Duration::from_secs(10);

/// Verifies opaque access tokens by asking their issuer (RFC 7662).
///
/// A token is accepted if the issuer reports that it is active and that its audience is the
/// resource. Responses are cached for 30 seconds. A revoked token is therefore refused after at most
/// 30 seconds, and the subscriptions that it opened end after at most 60.
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

/// Whether a response must name an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AudienceRule {
    Named,
    Trusted,
}

/// The response of the issuer.
#[derive(Deserialize)]
struct Answer {
    active: bool,
}

impl Introspection {
    /// Creates a verifier that sends tokens to `url`, with a client's id and secret as credentials.
    ///
    /// # Errors
    /// Returns an error if a URL does not use `https` (or `http` on a loopback host).
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

    /// Also accepts tokens for this audience, in addition to those for the resource's URL.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for which the issuer reports no audience. Use this only if the issuer reports
    /// only tokens of this resource as active. Otherwise tokens for other servers are accepted.
    pub fn trust_missing_audience(mut self) -> Self {
        self.audience_rule = AudienceRule::Trusted;
        self
    }

    /// Sets how long a response is cached: 30 s by default, and at least one second. A revoked token
    /// is still accepted for this time.
    pub fn remember_for(mut self, time: Duration) -> Self {
        self.remember_for = time.max(Duration::from_secs(1));
        self
    }

    /// Sets the HTTP client for requests to the issuer.
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
            .map_err(|_| failed(FetchError::Malformed("the URL is malformed")))?;
        let body = fetch(&*self.client, request).await.map_err(failed)?;
        let not_json = || failed(FetchError::Malformed("the response is not an introspection response"));
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| not_json())?;
        if !answer.active {
            return Err(TokenError::invalid("the token is not active"));
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
            return Err(TokenError::invalid("the issuer does not match"));
        }
        let is_for_us =
            claims.is_for(&rules) || self.audience_rule == AudienceRule::Trusted && !claims.names_audience();
        if !is_for_us {
            return Err(TokenError::invalid("the token was not issued for this resource"));
        }
        let end = claims.check_time(&rules)?;
        let subject = match (&claims.sub, &claims.client_id) {
            (Some(subject), _) => valid_subject(subject).map(str::to_owned),
            // A client that acts for itself. The leading space tells it apart from subjects.
            (None, Some(client)) => valid_subject(client).map(|client| format!(" {client}")),
            (None, None) => None,
        };
        let subject = subject.ok_or_else(|| TokenError::invalid("the subject is missing or malformed"))?;
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
                return Verification::ready(Err(TokenError::invalid("the token was recently found invalid")));
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

/// Encodes a text as `application/x-www-form-urlencoded`.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(byte.into()),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
