//! The state that a client carries from one round of a call to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::config::AskSettings;
use super::{Question, random_id};
use crate::jsonrpc::RpcError;
use crate::principal::Principal;

/// The version of the sealed format, and of what it is bound to. It precedes the sealed bytes, and
/// other versions are refused, so that replicas of two versions can run side by side without
/// misreading each other.
const VERSION: u8 = 1;

/// The plain text of a `requestState`.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct AnswerState {
    /// The part for the [`AnswerGuard`](super::AnswerGuard), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issued: Option<Issued>,
    /// When it expires, in seconds since 1970.
    #[serde(rename = "until")]
    pub(super) expires: u64,
    /// The answers so far, by key.
    pub(super) answers: BTreeMap<String, Box<RawValue>>,
    /// The state that the handler set in its [`InputRequired`](super::InputRequired).
    #[serde(rename = "state", skip_serializing_if = "Option::is_none")]
    pub(super) returned: Option<Box<RawValue>>,
}

/// Identifies a state to a server with a guard.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Issued {
    /// A random id.
    pub(super) id: String,
    /// The keys of the questions that were sent with it.
    pub(super) asked: BTreeSet<String>,
}

/// The values that a state is bound to. It does not open with any others.
pub(super) struct Binding<'a> {
    pub(super) head: &'a Parts,
    /// The digest of the call's purpose.
    pub(super) purpose: [u8; 32],
}

impl Binding<'_> {
    /// Joins all parts, each of variable length after its length, so that adjacent parts cannot be
    /// confused.
    fn to_bytes(&self, server: &str) -> Vec<u8> {
        let principal = Principal::of(self.head).map(Principal::as_str);
        let mut bytes = vec![VERSION, u8::from(principal.is_some())];
        for part in [server, principal.unwrap_or_default()] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.purpose);
        bytes
    }
}

impl AnswerState {
    /// Seals a state for the next round.
    ///
    /// # Errors
    /// `-32602` if the client's answers make it too large; `-32603` if the handler's state does, or
    /// if it cannot be sealed.
    pub(super) fn seal(
        questions: &[(String, Question)],
        answers: BTreeMap<String, Box<RawValue>>,
        returned: Option<Box<RawValue>>,
        binding: &Binding<'_>,
        settings: &AskSettings,
    ) -> Result<String, RpcError> {
        let no_seal = || {
            tracing::error!("the state of a call could not be sealed");
            RpcError::internal()
        };
        let issued = match settings.guard {
            Some(_) => Some(Issued {
                id: random_id().ok_or_else(no_seal)?,
                asked: questions.iter().map(|(key, _)| key.clone()).collect(),
            }),
            None => None,
        };
        let expires = now().saturating_add(settings.state_lifetime).as_secs();
        let state = Self { issued, expires, answers, returned };
        // Strings and raw JSON under strings always serialise.
        let plain = serde_json::to_vec(&state).unwrap_or_default();
        if plain.len() > settings.max_state_size {
            return Err(state.too_large(plain.len(), settings.max_state_size));
        }
        let sealed = settings.sealer.seal(&plain, &binding.to_bytes(&settings.server));
        let sealed = sealed.ok_or_else(no_seal)?;
        Ok(URL_SAFE_NO_PAD.encode([&[VERSION], sealed.as_slice()].concat()))
    }

    fn too_large(&self, size: usize, limit: usize) -> RpcError {
        let returned = self.returned.as_ref().map_or(0, |returned| returned.get().len());
        if returned < limit && !self.answers.is_empty() {
            tracing::warn!(size, limit, "a client's answers are larger than `max_state_size` allows");
            return RpcError::invalid_params("The answers are larger than this server allows");
        }
        tracing::error!(size, limit, "the state of a call is larger than `max_state_size` allows");
        RpcError::internal()
    }

    /// Opens a state. Every failure gets the same answer.
    pub(super) fn open(text: &str, binding: &Binding<'_>, settings: &AskSettings) -> Result<Self, RpcError> {
        let open = || {
            let versioned = URL_SAFE_NO_PAD.decode(text).ok()?;
            let sealed = versioned.strip_prefix(&[VERSION])?;
            let plain = settings.sealer.open(sealed, &binding.to_bytes(&settings.server))?;
            let state: Self = serde_json::from_slice(&plain).ok()?;
            (now().as_secs() < state.expires).then_some(state)
        };
        open().ok_or_else(refusal)
    }
}

/// The answer to every state that is not valid.
pub(crate) fn refusal() -> RpcError {
    RpcError::invalid_params("`requestState` is not valid for this request: call again without it")
}

/// Returns the time since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
