//! The rules by which a resource server judges scopes.

use std::sync::Arc;

use super::challenge::Challenge;
use super::credentials::Scheme;
use super::dpop::{ALGORITHMS, DpopPolicy};
use super::insufficient::InsufficientScope;
use super::token::VerifiedToken;

/// Which tools, prompts and resources a list shows to a caller that lacks scopes for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ListedItems {
    /// Those that the caller has the scopes for.
    #[default]
    Granted,
    /// All. A client that calls what it lacks a scope for gets a challenge, by which it asks its
    /// user for more (2026-07-28, Authorization, "Step-Up Authorization Flow").
    All,
}

/// What happens to a call whose reply is a stream when the token that began it expires, or is found to
/// be revoked. Subscriptions end then in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CallsAtExpiry {
    /// It comes to its end, within its time limit: it was allowed when it began, and a client cannot
    /// tell how far it had come.
    #[default]
    Finish,
    /// It is cancelled, and its stream ends with an error. For tools that stream for long.
    End,
}

/// Whether a granted scope implies another.
pub(super) type Implies = dyn Fn(&str, &str) -> bool + Send + Sync;

/// What is judged by once a token has been verified.
#[derive(Clone, Default)]
pub(super) struct Policy {
    /// Where clients find the authorization server; none if there is none.
    pub(super) metadata_url: Option<String>,
    /// Those that every request needs.
    pub(super) required: Vec<Box<str>>,
    /// Those that the metadata names besides.
    pub(super) supported: Vec<Box<str>>,
    pub(super) implies: Option<Arc<Implies>>,
    pub(super) listed: ListedItems,
    pub(super) dpop: DpopPolicy,
    pub(super) calls_at_expiry: CallsAtExpiry,
}

impl Policy {
    pub(super) fn grants(&self, token: &VerifiedToken, scope: &str) -> bool {
        token.has_scope(scope)
            || self
                .implies
                .as_ref()
                .is_some_and(|implies| token.granted().any(|granted| implies(granted, scope)))
    }

    pub(super) fn lists_all(&self) -> bool {
        self.listed == ListedItems::All
    }

    /// The refusal of an operation that needs `scopes` beside those of every request, in the scheme by
    /// which the token is presented.
    pub(super) fn insufficient(&self, token: &VerifiedToken, scopes: &[&str]) -> InsufficientScope {
        let mut all: Vec<&str> = self.required.iter().map(|scope| &**scope).collect();
        for scope in scopes {
            if !all.contains(scope) {
                all.push(scope);
            }
        }
        let all = all.join(" ");
        let scheme = if token.key_thumbprint().is_some() { Scheme::Dpop } else { Scheme::Bearer };
        let challenge = Challenge::new(scheme.as_str())
            .with("error", "insufficient_scope")
            .with("scope", &all)
            .with_some("resource_metadata", self.metadata_url.as_deref())
            .with("error_description", "The access token does not grant the scopes that this needs")
            .with_some("algs", (scheme == Scheme::Dpop).then_some(ALGORITHMS));
        InsufficientScope::new(all.into(), challenge.into_value())
    }
}
