//! Access tokens that are JWTs (RFC 9068).

pub(super) mod claims;
mod keys;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::claims::{ClaimRules, Claims};
use self::keys::{FetchRules, FetchedKeys, KeySource};
use super::cache::TokenCache;
use super::digest::sha256_of_two;
use super::discovery::check_url;
use super::fetch::{DefaultClient, HttpClient};
use super::jose::{Algorithm, Jws, KeySet};
use super::token::{PresentedToken, VerifiedToken};
use super::verifier::{TokenError, TokenVerifier, Verification};
use crate::error::ConfigError;

/// Verifies access tokens that are JWTs of one issuer.
///
/// A token is accepted if it is signed by a key of the issuer with an allowed algorithm, names the
/// issuer in `iss` and the resource in `aud`, has a subject, has not expired, and is valid already.
/// Its `typ` must be `at+jwt` or `JWT`, or be missing; of other types of JWTs none is accepted. The
/// scopes are those of `scope` or `scp`.
///
/// The keys are found through the issuer's metadata when the first token arrives. They are fetched
/// again when they are ten minutes old, and when a token names a key that is not among them, but
/// not more often than once in ten seconds. While the issuer is down they are used for an hour
/// longer. A token whose signature was checked is remembered until it expires, by its digest.
///
/// ```
/// use std::time::Duration;
///
/// use mcp_stateless::auth::JwtVerifier;
///
/// let issuer = JwtVerifier::new("https://login.example.com/tenant")?
///     .audience("api://tickets")
///     .leeway(Duration::from_secs(5));
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
#[must_use]
pub struct JwtVerifier {
    issuer: String,
    keys: KeySource,
    algorithms: Vec<Algorithm>,
    audiences: Vec<String>,
    leeway: Duration,
    types: AcceptedTypes,
    verified: TokenCache,
}

/// Which `typ` an access token must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum AcceptedTypes {
    /// `at+jwt`, `JWT`, or none.
    #[default]
    AnyAccessToken,
    /// `at+jwt` alone.
    Marked,
}

impl JwtVerifier {
    /// Accepts the tokens of an issuer, whose keys are found through its metadata (RFC 8414, or
    /// `OpenID` Connect Discovery). Nothing is fetched yet.
    ///
    /// # Errors
    /// When the issuer is not a URL of `https` (or of `http` on a loopback host), or has a query
    /// or a fragment.
    pub fn new(issuer: impl Into<String>) -> Result<Self, ConfigError> {
        let rules = FetchRules {
            jwks_url: None,
            client: Arc::new(DefaultClient::default()),
            refresh_after: Duration::from_secs(600),
            stale_for: Duration::from_secs(3600),
            retry_after: Duration::from_secs(10),
        };
        let issuer = issuer.into();
        check_url(&issuer)?;
        Ok(Self::of(issuer, KeySource::Fetched(Box::new(FetchedKeys::new(rules)))))
    }

    /// Accepts the tokens of an issuer whose keys are at this URL, without asking for its metadata.
    ///
    /// # Errors
    /// When one is not a URL of `https` (or of `http` on a loopback host).
    pub fn with_jwks_url(issuer: impl Into<String>, url: impl Into<String>) -> Result<Self, ConfigError> {
        let url = url.into();
        check_url(&url)?;
        Ok(Self::new(issuer)?.fetch_rules(|rules| rules.jwks_url = Some(url)))
    }

    /// Accepts the tokens of an issuer with these keys, the JSON of a JWK set. They never change.
    ///
    /// # Errors
    /// When the set cannot be read, or has no public key that can verify signatures.
    pub fn with_keys(issuer: impl Into<String>, jwks: &str) -> Result<Self, ConfigError> {
        let keys = KeySet::parse(jwks.as_bytes()).ok().filter(|keys| !keys.is_empty());
        let keys = keys.ok_or_else(|| ConfigError::new("the JWK set has no usable public key".to_owned()))?;
        Ok(Self::of(issuer.into(), KeySource::Fixed(keys)))
    }

    fn of(issuer: String, keys: KeySource) -> Self {
        Self {
            issuer,
            keys,
            algorithms: Algorithm::ALL.to_vec(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            types: AcceptedTypes::default(),
            verified: TokenCache::new(10_000),
        }
    }

    /// Sets the signature algorithms that are accepted; by default all of [`Algorithm::ALL`].
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts tokens that were issued for this audience too, besides those for the resource's URL:
    /// for issuers that do not know RFC 8707. No other server may have the same.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets how far the clocks of issuer and server may differ; 30 s by default, and at most five
    /// minutes.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Duration::from_secs(300));
        self
    }

    /// Accepts only tokens whose `typ` is `at+jwt` (RFC 9068, section 4), where the issuer sets it.
    pub fn only_at_jwt(mut self) -> Self {
        self.types = AcceptedTypes::Marked;
        self
    }

    /// Sets how many verified tokens are remembered; 10 000 by default, and none by 0.
    pub fn remember(mut self, tokens: usize) -> Self {
        self.verified = TokenCache::new(tokens);
        self
    }

    /// Sends requests to the issuer by another client.
    pub fn http_client(self, client: impl HttpClient) -> Self {
        self.fetch_rules(|rules| rules.client = Arc::new(client))
    }

    /// Sets from which age on keys are fetched anew; ten minutes by default. A key that the issuer
    /// withdraws is trusted for so long.
    pub fn refresh_keys_after(self, age: Duration) -> Self {
        self.fetch_rules(|rules| rules.refresh_after = age)
    }

    /// Sets how much longer known keys are used while the issuer cannot be reached; an hour by
    /// default. After that, requests get 503.
    pub fn stale_keys_for(self, time: Duration) -> Self {
        self.fetch_rules(|rules| rules.stale_for = time)
    }

    /// Sets the shortest time between two fetches of keys, whatever tokens arrive; ten seconds by
    /// default.
    pub fn fetch_keys_at_most_every(self, interval: Duration) -> Self {
        self.fetch_rules(|rules| rules.retry_after = interval)
    }

    fn fetch_rules(mut self, set: impl FnOnce(&mut FetchRules)) -> Self {
        if let KeySource::Fetched(keys) = &mut self.keys {
            set(&mut keys.rules);
        }
        self
    }

    async fn check(&self, presented: PresentedToken<'_>) -> Result<VerifiedToken, TokenError> {
        let jws = Jws::parse(presented.secret).map_err(TokenError::invalid)?;
        if !self.algorithms.contains(&jws.algorithm) {
            return Err(TokenError::invalid("its algorithm is not allowed"));
        }
        let is_access_token = match self.types {
            AcceptedTypes::Marked => jws.header.is_of_type("at+jwt"),
            AcceptedTypes::AnyAccessToken => {
                jws.header.typ.is_none() || jws.header.is_of_type("at+jwt") || jws.header.is_of_type("jwt")
            }
        };
        if !is_access_token {
            return Err(TokenError::invalid("its type is not that of an access token"));
        }
        let key = self.keys.find(&self.issuer, jws.header.kid.as_deref(), jws.algorithm).await?;
        if !key.verifies(jws.algorithm, jws.signed, &jws.signature) {
            return Err(TokenError::invalid("its signature is not the issuer's"));
        }
        let claims: Claims = jws.payload().map_err(TokenError::invalid)?;
        let rules = ClaimRules {
            issuer: &self.issuer,
            resource: presented.resource,
            audiences: &self.audiences,
            leeway: self.leeway,
            now: presented.now,
        };
        let token = claims.judge(&rules)?;
        Ok(match jws.into_payload() {
            Some(claims) => token.with_claims(claims),
            None => token,
        })
    }
}

impl TokenVerifier for JwtVerifier {
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
        // Servers with different resources may share a verifier.
        let digest = sha256_of_two(token.resource.as_str(), token.secret);
        if let Some(verified) = self.verified.get(&digest, token.now) {
            return Verification::ready(Ok(verified));
        }
        Verification::later(async move {
            let verified = self.check(token).await?;
            if let Some(end) = verified.expiry() {
                self.verified.insert(digest, verified.clone(), end);
            }
            Ok(verified)
        })
    }

    fn issuers(&self) -> Vec<String> {
        vec![self.issuer.clone()]
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("JwtVerifier").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
