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
/// A token is accepted if a key of the issuer has signed it with an allowed algorithm, `iss` is the
/// issuer, `aud` contains the resource, it has a subject, and the current time is between `nbf` and
/// `exp`. Its `typ` must be `at+jwt`, `JWT` or missing. The scopes are read from `scope` and `scp`.
///
/// The keys are discovered through the issuer's metadata when the first token arrives. They are
/// fetched again when they are ten minutes old, or when a token names an unknown key, but at most
/// once every ten seconds. While the issuer is down, they are used for another hour. Verified tokens
/// are cached by their digest until they expire.
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

/// Which values of `typ` are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum AcceptedTypes {
    /// `at+jwt`, `JWT` or no `typ`.
    #[default]
    AnyAccessToken,
    /// Only `at+jwt`.
    Marked,
}

impl JwtVerifier {
    /// Creates a verifier for the tokens of an issuer, whose keys are discovered through its metadata
    /// (RFC 8414 or `OpenID` Connect Discovery). Nothing is fetched before the first token arrives.
    ///
    /// # Errors
    /// Returns an error if the issuer is not a URL that uses `https` (or `http` on a loopback host),
    /// or if it has a query or a fragment.
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

    /// Creates a verifier for the tokens of an issuer whose keys are at `jwks_url`. The issuer's
    /// metadata is not fetched.
    ///
    /// # Errors
    /// Returns an error if either URL does not use `https` (or `http` on a loopback host).
    pub fn with_jwks_url(issuer: impl Into<String>, url: impl Into<String>) -> Result<Self, ConfigError> {
        let url = url.into();
        check_url(&url)?;
        Ok(Self::new(issuer)?.fetch_rules(|rules| rules.jwks_url = Some(url)))
    }

    /// Creates a verifier for the tokens of an issuer with a fixed JWK set, given as JSON.
    ///
    /// # Errors
    /// Returns an error if the set is malformed or has no public key that can verify signatures.
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

    /// Sets the accepted signature algorithms; by default [`Algorithm::ALL`].
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Also accepts tokens for this audience, in addition to those for the resource's URL. Meant for
    /// issuers that do not support RFC 8707. No other server may use the same audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets how far the clocks of the issuer and this server may differ: 30 s by default, and at most
    /// five minutes.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Duration::from_secs(300));
        self
    }

    /// Only accepts tokens whose `typ` is `at+jwt` (RFC 9068, section 4). Use it if the issuer sets
    /// this type.
    pub fn only_at_jwt(mut self) -> Self {
        self.types = AcceptedTypes::Marked;
        self
    }

    /// Sets how many verified tokens are cached; 10 000 by default. 0 disables the cache.
    pub fn remember(mut self, tokens: usize) -> Self {
        self.verified = TokenCache::new(tokens);
        self
    }

    /// Sets the HTTP client for requests to the issuer.
    pub fn http_client(self, client: impl HttpClient) -> Self {
        self.fetch_rules(|rules| rules.client = Arc::new(client))
    }

    /// Sets the age at which keys are fetched again; ten minutes by default. A key that the issuer
    /// withdraws is trusted for this long.
    pub fn refresh_keys_after(self, age: Duration) -> Self {
        self.fetch_rules(|rules| rules.refresh_after = age)
    }

    /// Sets how much longer keys are used while the issuer cannot be reached; one hour by default.
    /// After that, requests get 503.
    pub fn stale_keys_for(self, time: Duration) -> Self {
        self.fetch_rules(|rules| rules.stale_for = time)
    }

    /// Sets the minimum time between two fetches of keys; ten seconds by default.
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
            return Err(TokenError::invalid("the algorithm is not allowed"));
        }
        let is_access_token = match self.types {
            AcceptedTypes::Marked => jws.header.is_of_type("at+jwt"),
            AcceptedTypes::AnyAccessToken => {
                jws.header.typ.is_none() || jws.header.is_of_type("at+jwt") || jws.header.is_of_type("jwt")
            }
        };
        if !is_access_token {
            return Err(TokenError::invalid("the type is not that of an access token"));
        }
        let claims: Claims = jws.payload().map_err(TokenError::invalid)?;
        // A token of another issuer, which another verifier may accept, does not wait for these keys.
        claims.check_issuer(&self.issuer)?;
        let key = self.keys.find(&self.issuer, jws.header.kid.as_deref(), jws.algorithm).await?;
        if !key.verifies(jws.algorithm, jws.signed, &jws.signature) {
            return Err(TokenError::invalid("the signature is invalid"));
        }
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
        // The key includes the resource: servers with different resources may share a verifier.
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
