//! What a client carries from one round of a call to the next.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::canonical::canonical;
use super::config::AskSettings;
use crate::principal::Principal;
use crate::rpc::RpcError;

/// The plain text of a `requestState`.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct State {
    /// Until when it is good, in seconds since 1970.
    #[serde(rename = "until")]
    expires: u64,
    /// The answers that the handler has had so far, by their keys.
    pub(super) answers: BTreeMap<String, Box<RawValue>>,
    /// What a handler that asks by hand put there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by_hand: Option<Box<RawValue>>,
}

/// What a call came for, as the client said it.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) arguments: &'a str,
}

/// What a state belongs to: of anything else it does not open.
pub(super) struct Binding<'a> {
    pub(super) head: &'a Parts,
    pub(super) purpose: Purpose<'a>,
}

impl Binding<'_> {
    /// All of it in one text, each part with its length before it, so that none can run
    /// over into the next.
    fn to_bytes(&self, server: &str) -> Vec<u8> {
        let principal = Principal::of(self.head);
        let Purpose { method, target, arguments } = self.purpose;
        let mut bytes = vec![u8::from(principal.is_some())];
        for part in [server, principal.unwrap_or_default(), method, target] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        canonical(&mut bytes, arguments);
        bytes
    }
}

impl State {
    /// Seals a state for the next round.
    pub(super) fn seal(
        answers: BTreeMap<String, Box<RawValue>>,
        by_hand: Option<Box<RawValue>>,
        binding: &Binding<'_>,
        settings: &AskSettings,
    ) -> Result<String, RpcError> {
        let expires = now().saturating_add(settings.state_lifetime).as_secs();
        let state = Self { expires, answers, by_hand };
        // Texts and raw JSON under texts are always JSON.
        let plain = serde_json::to_vec(&state).unwrap_or_default();
        if plain.len() > settings.max_state_size {
            let (size, limit) = (plain.len(), settings.max_state_size);
            tracing::error!(size, limit, "the state of a call is larger than allowed");
            return Err(RpcError::internal());
        }
        let sealed = settings.sealer.seal(&plain, &binding.to_bytes(&settings.server));
        let sealed = sealed.ok_or_else(|| {
            tracing::error!("the state of a call could not be sealed");
            RpcError::internal()
        })?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens a state. Whatever is wrong with it, the answer is the same.
    pub(super) fn open(text: &str, binding: &Binding<'_>, settings: &AskSettings) -> Result<Self, RpcError> {
        let state = URL_SAFE_NO_PAD.decode(text).ok();
        let state =
            state.and_then(|sealed| settings.sealer.open(&sealed, &binding.to_bytes(&settings.server)));
        let state = state.and_then(|plain| serde_json::from_slice::<Self>(&plain).ok());
        state.filter(|state| now().as_secs() < state.expires).ok_or_else(refusal)
    }
}

/// The one answer to a state that is not good, for whatever reason.
pub(super) fn refusal() -> RpcError {
    RpcError::invalid_params("`requestState` is not valid here, or not any more: call again without it")
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
