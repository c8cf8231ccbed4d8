//! The answers that a request brings along.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::request::Parts;
use serde_json::value::RawValue;

use super::state::{Binding, Purpose, State, refusal};
use crate::config::Settings;
use crate::protocol::Era;
use crate::request::{Params, ValidRequest};
use crate::rpc::{Raw, RpcError};

/// What a call came for, which its state is bound to, and whence.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) purpose: Purpose<'a>,
    /// What the purpose lies in, mostly.
    pub(crate) body: &'a Bytes,
}

impl Origin<'_> {
    /// A part of it for those who outlive the body; not copied, if it lies in there.
    pub(super) fn keep(&self, part: &str) -> Bytes {
        if self.body.as_ptr_range().contains(&part.as_ptr()) {
            self.body.slice_ref(part.as_bytes())
        } else {
            Bytes::copy_from_slice(part.as_bytes())
        }
    }
}

/// The answers that a request brings along: none, mostly.
#[derive(Default)]
pub(crate) struct Answers(Option<Box<Brought>>);

#[derive(Default)]
struct Brought {
    /// What earlier rounds brought, and the handler has seen; sealed, so it goes first.
    state: State,
    /// What this round brings (`inputResponses`).
    now: BTreeMap<String, Box<RawValue>>,
}

impl Answers {
    /// Reads what the request brings along.
    ///
    /// # Errors
    /// `-32602` when the state is not good here, or the answers are no object.
    pub(crate) fn of(
        request: &ValidRequest<'_>,
        head: &Parts,
        origin: &Origin<'_>,
        settings: &Settings,
    ) -> Result<Self, RpcError> {
        let params = request.params.rare_params();
        let (responses, state) =
            (Params::present(params.input_responses), Params::present(params.request_state));
        if request.era() == Era::Legacy || (responses.is_none() && state.is_none()) {
            return Ok(Self::default());
        }
        let state = match state {
            Some(state) => {
                let text = state.string().ok_or_else(refusal)?;
                State::open(&text, &Binding { head, purpose: origin.purpose }, &settings.ask)?
            }
            None => State::default(),
        };
        let now = responses.map_or("{}", Raw::text);
        let now = serde_json::from_str(now)
            .map_err(|_| RpcError::invalid_params("`inputResponses` must be an object"))?;
        Ok(Self(Some(Box::new(Brought { state, now }))))
    }

    /// The answer to the question of this key.
    pub(super) fn find(&self, key: &str) -> Option<&RawValue> {
        let brought = self.0.as_deref()?;
        brought.state.answers.get(key).or_else(|| brought.now.get(key)).map(|answer| &**answer)
    }

    /// What a handler that asks by hand put into the state.
    pub(super) fn state(&self) -> Option<&RawValue> {
        self.0.as_deref()?.state.by_hand.as_deref()
    }
}
