//! The claims of an access token (RFC 7519, RFC 9068), judged at a given time.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::auth::resource::ResourceUrl;
use crate::auth::token::{VerifiedToken, valid_subject};
use crate::auth::verifier::TokenError;

/// What is read of the claims, and of the answer of an introspection.
#[derive(Default, Deserialize)]
pub(in crate::auth) struct Claims {
    pub(in crate::auth) iss: Option<String>,
    pub(in crate::auth) sub: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<f64>,
    nbf: Option<f64>,
    scope: Option<OneOrMany>,
    /// As some issuers name it.
    scp: Option<OneOrMany>,
    pub(in crate::auth) client_id: Option<String>,
    azp: Option<String>,
    cnf: Option<Confirmation>,
}

/// What a token is bound to (RFC 7800).
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

/// By what claims are judged.
pub(in crate::auth) struct ClaimRules<'a> {
    pub(in crate::auth) issuer: &'a str,
    pub(in crate::auth) resource: &'a ResourceUrl,
    /// What a token may be issued for besides the resource.
    pub(in crate::auth) audiences: &'a [String],
    pub(in crate::auth) leeway: Duration,
    pub(in crate::auth) now: SystemTime,
}

impl Claims {
    /// Whether the token says for whom it was issued.
    pub(in crate::auth) fn names_audience(&self) -> bool {
        self.aud.is_some()
    }

    /// Whether the token was issued for the resource.
    pub(in crate::auth) fn is_for(&self, rules: &ClaimRules<'_>) -> bool {
        let is_ours = |aud: &String| rules.resource.is_same(aud) || rules.audiences.contains(aud);
        self.aud.iter().flat_map(OneOrMany::iter).any(is_ours)
    }

    /// Returns until when the token is accepted.
    pub(in crate::auth) fn check_time(
        &self,
        rules: &ClaimRules<'_>,
    ) -> Result<Option<SystemTime>, TokenError> {
        if let Some(nbf) = self.nbf
            && time(nbf)? > rules.now + rules.leeway
        {
            return Err(TokenError::invalid("it is not valid yet"));
        }
        let Some(exp) = self.exp else { return Ok(None) };
        let end = time(exp)? + rules.leeway;
        if end <= rules.now { Err(TokenError::expired()) } else { Ok(Some(end)) }
    }

    /// Adds what the token grants to one of a subject.
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
                Err(TokenError::invalid("it is bound to something that cannot be checked here"))
            }
        }
    }

    /// Judges the claims of a JWT whose signature is its issuer's.
    pub(super) fn judge(&self, rules: &ClaimRules<'_>) -> Result<VerifiedToken, TokenError> {
        if self.iss.as_deref() != Some(rules.issuer) {
            return Err(TokenError::invalid("it is of another issuer"));
        }
        if !self.is_for(rules) {
            return Err(TokenError::invalid("it was not issued for this resource"));
        }
        let end =
            self.check_time(rules)?.ok_or_else(|| TokenError::invalid("it does not say when it expires"))?;
        let subject = self.sub.as_deref().and_then(valid_subject);
        let subject = subject.ok_or_else(|| TokenError::invalid("it has no usable subject"))?;
        self.grant(VerifiedToken::new(rules.issuer, subject).expires_at(end))
    }
}

/// A `NumericDate`: seconds since 1970, perhaps with a fraction.
fn time(seconds: f64) -> Result<SystemTime, TokenError> {
    // Beyond year 9999, which any sum with a leeway stays clear of.
    let is_sane = (0.0..253_402_300_800.0).contains(&seconds);
    let since = is_sane.then(|| Duration::from_secs_f64(seconds));
    since
        .map(|since| SystemTime::UNIX_EPOCH + since)
        .ok_or_else(|| TokenError::invalid("it has a time that is none"))
}
