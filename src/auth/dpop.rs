//! Proofs of possession of a token's key (`DPoP`, RFC 9449).

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::credentials::Scheme;
use super::digest::sha256;
use super::jose::{Jws, PublicKey};
use super::nonces::{NextNonce, NonceAge, NonceKeys};
use super::replays::{ReplayCache, Seen};
use super::resource::canonical;
use super::token::{PresentedToken, VerifiedToken};

const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The signature algorithms that are accepted in proofs.
pub(super) const ALGORITHMS: &str = "ES256 ES384 EdDSA RS256 RS384 RS512 PS256 PS384 PS512";
/// The maximum length of a proof, and of its `jti`, in bytes.
const MAX_PROOF: usize = 4096;
const MAX_ID: usize = 256;
/// The maximum age of a proof, and how far ahead a client's clock may be.
const MAX_AGE: Duration = Duration::from_secs(60);
const MAX_AHEAD: Duration = Duration::from_secs(10);

/// Which tokens must be bound to a key of their client (RFC 9449).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DpopPolicy {
    /// A bound token needs a proof with each request. Unbound tokens are accepted without one.
    #[default]
    WhenBound,
    /// Only bound tokens are accepted. The metadata tells clients about it.
    Required,
}

/// Checks proofs, and stores them for as long as they could be replayed.
#[derive(Debug)]
pub(super) struct DpopChecker {
    replays: ReplayCache,
    /// Set if each proof must contain a nonce of the server.
    pub(super) nonces: Option<NonceKeys>,
}

impl Default for DpopChecker {
    fn default() -> Self {
        Self { replays: ReplayCache::new(MAX_AGE + MAX_AHEAD), nonces: None }
    }
}

/// The parts of a request that prove possession of a verified token's key.
pub(super) struct Possession<'a> {
    pub(super) scheme: Scheme,
    pub(super) token: &'a VerifiedToken,
    pub(super) proof: &'a ProofHeader,
    pub(super) method: &'a Method,
    pub(super) policy: DpopPolicy,
}

/// Why a proof is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DpopFault {
    /// The scheme does not match the token's binding.
    Token(&'static str),
    Proof(&'static str),
    /// The proof is valid, but has no nonce that the server accepts.
    Nonce,
    /// No more proofs can be stored.
    TooMany,
}

impl DpopFault {
    /// Returns the `error` parameter of the challenge.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Token(_) | Self::TooMany => "invalid_token",
            Self::Proof(_) => "invalid_dpop_proof",
            Self::Nonce => "use_dpop_nonce",
        }
    }
}

impl fmt::Display for DpopFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Token(fault) | Self::Proof(fault) => fault,
            Self::Nonce => "the proof needs the nonce of this response",
            Self::TooMany => "too many proofs are remembered",
        })
    }
}

/// The `DPoP` header of a request.
pub(super) enum ProofHeader {
    None,
    One(HeaderValue),
    Several,
}

/// The claims of a proof (section 4.2).
#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: String,
    nonce: Option<String>,
}

impl ProofHeader {
    /// Removes the proof from a head.
    pub(super) fn take(head: &mut Parts) -> Self {
        let mut values = head.headers.get_all(&DPOP).iter();
        let proof = match (values.next(), values.next()) {
            (None, _) => return Self::None,
            (Some(value), None) => Self::One(value.clone()),
            (Some(_), Some(_)) => Self::Several,
        };
        head.headers.remove(&DPOP);
        proof
    }
}

impl DpopChecker {
    /// Checks that a bound token comes with a valid proof, and an unbound one as a bearer token. Returns
    /// the nonce for the client's next request if its current one is about to expire.
    pub(super) fn check(
        &self,
        possession: &Possession<'_>,
        presented: PresentedToken<'_>,
    ) -> Result<Option<NextNonce>, DpopFault> {
        use DpopFault::{Proof, Token};
        let thumbprint = match (possession.scheme, possession.token.key_thumbprint()) {
            (Scheme::Bearer, None) if possession.policy == DpopPolicy::WhenBound => return Ok(None),
            (Scheme::Bearer, None) => return Err(Token("the access token must be bound to a key")),
            (Scheme::Bearer, Some(_)) => {
                return Err(Token("the access token is bound to a key: use the DPoP scheme"));
            }
            (Scheme::Dpop, None) => return Err(Token("the access token is not bound to a key")),
            (Scheme::Dpop, Some(thumbprint)) => thumbprint,
        };
        let proof = match possession.proof {
            ProofHeader::One(proof) => proof.to_str().map_err(|_| Proof("the proof is not a JWT"))?,
            ProofHeader::None => return Err(Proof("the proof is missing")),
            ProofHeader::Several => return Err(Proof("there is more than one proof")),
        };
        let claims = verify(proof.trim_matches([' ', '\t']), thumbprint, possession.method, presented)?;
        let next = self.check_nonce(claims.nonce.as_deref(), presented)?;
        match self.replays.see(thumbprint, &claims.jti, presented.now) {
            Seen::First => Ok(next),
            Seen::Again => Err(Proof("the proof has already been used")),
            Seen::TooMany => Err(DpopFault::TooMany),
        }
    }

    fn check_nonce(
        &self,
        nonce: Option<&str>,
        presented: PresentedToken<'_>,
    ) -> Result<Option<NextNonce>, DpopFault> {
        let Some(keys) = &self.nonces else { return Ok(None) };
        match nonce.and_then(|nonce| keys.age(nonce, presented.resource, presented.now)) {
            Some(NonceAge::Current) => Ok(None),
            Some(NonceAge::Last) => Ok(keys.current(presented.resource, presented.now).map(NextNonce)),
            None => Err(DpopFault::Nonce),
        }
    }
}

/// Verifies a proof (section 4.3), except for its nonce. Returns its claims.
fn verify(
    proof: &str,
    thumbprint: &str,
    method: &Method,
    presented: PresentedToken<'_>,
) -> Result<ProofClaims, DpopFault> {
    let fault = DpopFault::Proof;
    if proof.len() > MAX_PROOF {
        return Err(fault("the proof is too long"));
    }
    let jws = Jws::parse(proof).map_err(|_| fault("the proof is not a JWT with an allowed algorithm"))?;
    if !jws.header.is_of_type("dpop+jwt") {
        return Err(fault("the `typ` of the proof is not dpop+jwt"));
    }
    let key = jws.header.jwk.as_ref().and_then(|jwk| PublicKey::from_jwk(jwk.get()));
    let key = key.ok_or(fault("the proof has no usable public key"))?;
    if !key.verifies(jws.algorithm, jws.signed, &jws.signature) {
        return Err(fault("the signature of the proof is invalid"));
    }
    let claims: ProofClaims = jws.payload().map_err(|_| fault("the claims of the proof are malformed"))?;
    if claims.jti.is_empty() || claims.jti.len() > MAX_ID {
        return Err(fault("the `jti` of the proof is empty or too long"));
    }
    if claims.htm != method.as_str() {
        return Err(fault("the proof is for another method"));
    }
    // The query and the fragment of `htu` are ignored.
    if !canonical(&claims.htu).is_some_and(|url| presented.resource.is_same(&url.text)) {
        return Err(fault("the proof is for another URL"));
    }
    if !is_recent(claims.iat, presented.now) {
        return Err(fault("the proof is too old or not valid yet"));
    }
    let ath = URL_SAFE_NO_PAD.encode(sha256(presented.secret.as_bytes()));
    if !is_equal(&claims.ath, &ath) {
        return Err(fault("the proof is for another access token"));
    }
    if !is_equal(&key.thumbprint(), thumbprint) {
        return Err(fault("the access token is bound to another key"));
    }
    Ok(claims)
}

fn is_recent(iat: f64, now: SystemTime) -> bool {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    (now - MAX_AGE.as_secs_f64()..=now + MAX_AHEAD.as_secs_f64()).contains(&iat)
}

fn is_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
