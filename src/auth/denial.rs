//! Refusals of requests because of their credentials.

use http::{HeaderValue, StatusCode};

use super::challenge::Challenge;
use super::credentials::{CredentialsFault, Scheme};
use super::dpop::{ALGORITHMS, DpopFault, DpopPolicy};
use super::insufficient::InsufficientScope;
use super::policy::Policy;
use super::verifier::{TokenError, TokenErrorKind};
use crate::observe::error_line;

/// The HTTP refusal of a request.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The values of `WWW-Authenticate`.
    pub(crate) challenges: Vec<HeaderValue>,
    /// The value of `DPoP-Nonce`.
    pub(crate) nonce: Option<HeaderValue>,
}

impl Denial {
    fn new(status: StatusCode, message: &str, challenges: impl IntoIterator<Item = Challenge>) -> Self {
        let challenges = challenges.into_iter().filter_map(Challenge::into_value).collect();
        Self { status, message: message.to_owned(), challenges, nonce: None }
    }

    pub(super) fn insufficient(missing: &InsufficientScope) -> Self {
        let challenges = missing.challenge.iter().cloned().collect();
        Self { status: StatusCode::FORBIDDEN, message: missing.to_string(), challenges, nonce: None }
    }
}

impl Policy {
    /// Returns the refusal of a request without usable credentials.
    pub(super) fn unreadable(&self, fault: CredentialsFault) -> Denial {
        match fault {
            CredentialsFault::Missing => {
                let dpop = (self.dpop == DpopPolicy::Required).then(|| self.challenge(Scheme::Dpop, None));
                let challenges = [self.challenge(Scheme::Bearer, None)].into_iter().chain(dpop);
                Denial::new(StatusCode::UNAUTHORIZED, "Unauthorized: an access token is required", challenges)
            }
            CredentialsFault::Malformed(fault) => {
                let challenge = self.challenge(Scheme::Bearer, Some(("invalid_request", fault)));
                Denial::new(StatusCode::BAD_REQUEST, &format!("Bad request: {fault}"), [challenge])
            }
        }
    }

    /// Returns the refusal of a request whose token was not accepted.
    pub(super) fn unverified(&self, scheme: Scheme, error: &TokenError) -> Denial {
        let message = match error.kind {
            TokenErrorKind::Invalid => "The access token is not valid for this resource",
            TokenErrorKind::Expired => "The access token has expired",
            TokenErrorKind::Unavailable => {
                tracing::warn!(error = error_line(error), "access tokens cannot be verified");
                let message = "Access tokens cannot be verified now: try again later";
                return Denial::new(StatusCode::SERVICE_UNAVAILABLE, message, []);
            }
        };
        tracing::debug!(reason = error_line(error), "an access token was refused");
        let challenge = self.challenge(scheme, Some(("invalid_token", message)));
        Denial::new(StatusCode::UNAUTHORIZED, &format!("Unauthorized: {message}"), [challenge])
    }

    /// Returns the refusal of a request that does not prove possession of the token's key, with the nonce
    /// for the next proof if proofs need one.
    pub(super) fn unproven(&self, fault: DpopFault, nonce: Option<HeaderValue>) -> Denial {
        if fault == DpopFault::TooMany {
            let message = "Too many proofs of possession: try again later";
            return Denial::new(StatusCode::SERVICE_UNAVAILABLE, message, []);
        }
        tracing::debug!(reason = error_line(&fault), "a proof of possession was refused");
        let description = match fault {
            DpopFault::Nonce => "The proof of possession needs the nonce of this response",
            _ => "The proof of possession is not valid",
        };
        let challenge = self.challenge(Scheme::Dpop, Some((fault.code(), description)));
        let denial = Denial::new(StatusCode::UNAUTHORIZED, &format!("Unauthorized: {fault}"), [challenge]);
        Denial { nonce, ..denial }
    }

    fn challenge(&self, scheme: Scheme, error: Option<(&str, &str)>) -> Challenge {
        let scopes = if self.required.is_empty() { &self.supported } else { &self.required };
        let challenge = Challenge::new(scheme.as_str())
            .with_some("error", error.map(|(code, _)| code))
            .with_some("error_description", error.map(|(_, description)| description))
            .with_some("resource_metadata", self.metadata_url.as_deref())
            .with_some("scope", Some(&scopes.join(" ")));
        match scheme {
            Scheme::Bearer => challenge,
            Scheme::Dpop => challenge.with("algs", ALGORITHMS),
        }
    }
}
