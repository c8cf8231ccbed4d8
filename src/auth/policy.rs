//! The rules of a resource server.

use std::collections::HashSet;
use std::sync::Arc;

use super::challenge::{Challenge, is_scope};
use super::credentials::Scheme;
use super::dpop::{ALGORITHMS, DpopPolicy};
use super::insufficient::InsufficientScope;
use super::token::VerifiedToken;

/// The maximum length of all scopes in a challenge, in bytes: proxies pass on headers of a few KiB.
const MAX_NAMED: usize = 4096;

/// Which tools, prompts and resources a list includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ListedItems {
    /// Only those that the caller has the scopes for.
    #[default]
    Granted,
    /// All. A client that calls one without its scope gets a challenge, and can then ask its user for
    /// the scope (2026-07-28, Authorization, "Step-Up Authorization Flow").
    All,
}

/// What happens to a streaming call when its token expires or is found to be revoked. Subscriptions
/// always end then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CallsAtExpiry {
    /// The call finishes within its time limit. It was allowed when it started, and a client could not
    /// know what effects a cancelled call has had.
    #[default]
    Finish,
    /// The call is cancelled, and its stream ends with an error. Use this for tools that stream for a long
    /// time.
    End,
}

/// Whether a granted scope implies another.
pub(super) type Implies = dyn Fn(&str, &str) -> bool + Send + Sync;

/// The rules that apply to a verified token.
#[derive(Clone, Default)]
pub(super) struct Policy {
    /// The URL of the metadata; `None` if no authorization server is known.
    pub(super) metadata_url: Option<String>,
    /// The scopes that every request needs.
    pub(super) required: Vec<Box<str>>,
    /// Further scopes that the metadata lists.
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

    /// Returns the refusal of an operation that needs `scopes` in addition to those that every request
    /// needs. The challenge uses the scheme of the token.
    pub(super) fn insufficient(&self, token: &VerifiedToken, scopes: &[&str]) -> InsufficientScope {
        // Scopes may be made of arguments: many or long ones, and such that would add parameters to the
        // challenge.
        let (mut seen, mut room) = (HashSet::new(), MAX_NAMED);
        let mut fits = |scope: &&str| {
            let left = room.checked_sub(scope.len() + 1);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let needed = self.required.iter().map(|scope| &**scope).chain(scopes.iter().copied());
        let needed: Vec<&str> = needed.filter(|scope| seen.insert(*scope) && fits(scope)).collect();
        let grantable: Vec<&str> = needed.iter().copied().filter(|scope| is_scope(scope)).collect();
        let scheme = if token.key_thumbprint().is_some() { Scheme::Dpop } else { Scheme::Bearer };
        let challenge = Challenge::new(scheme.as_str())
            .with("error", "insufficient_scope")
            .with_some("scope", Some(&grantable.join(" ")))
            .with_some("resource_metadata", self.metadata_url.as_deref())
            .with("error_description", "The access token does not grant the scopes that this needs")
            .with_some("algs", (scheme == Scheme::Dpop).then_some(ALGORITHMS));
        InsufficientScope::new(needed.join(" ").into(), challenge.into_value())
    }
}
