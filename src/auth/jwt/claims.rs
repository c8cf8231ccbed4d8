//! The claims of an access token (RFC 7519, RFC 9068), checked at a given time.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::auth::resource::ResourceUrl;
use crate::auth::token::{VerifiedToken, valid_subject};
use crate::auth::verifier::TokenError;

/// The claims that are used, of a JWT or of an introspection response.
#[derive(Default, Deserialize)]
pub(in crate::auth) struct Claims {
    pub(in crate::auth) iss: Option<String>,
    pub(in crate::auth) sub: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<f64>,
    nbf: Option<f64>,
    scope: Option<OneOrMany>,
    /// The scopes under the name that some issuers use.
    scp: Option<OneOrMany>,
    pub(in crate::auth) client_id: Option<String>,
    azp: Option<String>,
    cnf: Option<Confirmation>,
}

/// The confirmation method of a token (RFC 7800).
#[derive(Deserialize)]
struct Confirmation {
    jkt: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
        .iter()
    }
}

/// The rules that claims are checked by.
pub(in crate::auth) struct ClaimRules<'a> {
    pub(in crate::auth) issuer: &'a str,
    pub(in crate::auth) resource: &'a ResourceUrl,
    /// Audiences that are accepted in addition to the resource.
    pub(in crate::auth) audiences: &'a [String],
    pub(in crate::auth) leeway: Duration,
    pub(in crate::auth) now: SystemTime,
}

impl Claims {
    /// Whether the token names an audience.
    pub(in crate::auth) fn names_audience(&self) -> bool {
        self.aud.is_some()
    }

    /// Whether the token was issued for the resource.
    pub(in crate::auth) fn is_for(&self, rules: &ClaimRules<'_>) -> bool {
        let is_ours = |aud: &String| rules.resource.is_same(aud) || rules.audiences.contains(aud);
        self.aud.iter().flat_map(OneOrMany::iter).any(is_ours)
    }

    /// Checks `nbf` and `exp`, and returns the time at which the token expires.
    pub(in crate::auth) fn check_time(
        &self,
        rules: &ClaimRules<'_>,
    ) -> Result<Option<SystemTime>, TokenError> {
        if let Some(nbf) = self.nbf
            && time(nbf)? > rules.now + rules.leeway
        {
            return Err(TokenError::invalid("the token is not valid yet"));
        }
        let Some(exp) = self.exp else { return Ok(None) };
        let end = time(exp)? + rules.leeway;
        if end <= rules.now { Err(TokenError::expired()) } else { Ok(Some(end)) }
    }

    /// Adds the scopes, the client and the binding of the claims to a token.
    pub(in crate::auth) fn grant(&self, mut token: VerifiedToken) -> Result<VerifiedToken, TokenError> {
        let scopes = self.scope.iter().chain(&self.scp).flat_map(OneOrMany::iter);
        token = token.scopes(scopes.flat_map(|scopes| scopes.split_ascii_whitespace()));
        if let Some(client) = self.client_id.as_deref().or(self.azp.as_deref()) {
            token = token.client_id(client);
        }
        match &self.cnf {
            None => Ok(token),
            Some(Confirmation { jkt: Some(thumbprint) }) => Ok(token.bound_to_key(thumbprint.as_str())),
            Some(Confirmation { jkt: None }) => {
                Err(TokenError::invalid("the confirmation method is not supported"))
            }
        }
    }

    /// Checks that a JWT is of this issuer.
    pub(super) fn check_issuer(&self, issuer: &str) -> Result<(), TokenError> {
        if self.iss.as_deref() == Some(issuer) {
            return Ok(());
        }
        Err(TokenError::invalid("the issuer does not match"))
    }

    /// Checks the claims of a JWT whose signature has been verified.
    pub(super) fn judge(&self, rules: &ClaimRules<'_>) -> Result<VerifiedToken, TokenError> {
        self.check_issuer(rules.issuer)?;
        if !self.is_for(rules) {
            return Err(TokenError::invalid("the token was not issued for this resource"));
        }
        let end = self.check_time(rules)?.ok_or_else(|| TokenError::invalid("`exp` is missing"))?;
        let subject = self.sub.as_deref().and_then(valid_subject);
        let subject = subject.ok_or_else(|| TokenError::invalid("the subject is missing or malformed"))?;
        self.grant(VerifiedToken::new(rules.issuer, subject).expires_at(end))
    }
}

/// Converts a `NumericDate`: seconds since 1970, with an optional fraction.
fn time(seconds: f64) -> Result<SystemTime, TokenError> {
    // The bound is the end of the year 9999, so that adding a leeway cannot overflow.
    let is_sane = (0.0..253_402_300_800.0).contains(&seconds);
    let since = is_sane.then(|| Duration::from_secs_f64(seconds));
    since
        .map(|since| SystemTime::UNIX_EPOCH + since)
        .ok_or_else(|| TokenError::invalid("a time is out of range"))
}
