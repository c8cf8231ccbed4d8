//! The answers in a request.

use std::collections::BTreeMap;

use http::request::Parts;
use serde_json::value::RawValue;

use super::redeeming::RedeemedMark;
use super::state::{AnswerState, Binding, Issued, refusal};
use super::{Purpose, Redemption};
use crate::jsonrpc::scan::{ScanFault, Scanner};
use crate::jsonrpc::{Raw, RpcError};
use crate::principal::Principal;
use crate::protocol::Era;
use crate::request::{Params, ValidRequest};
use crate::settings::Settings;

/// The maximum number of answers in a request, known and unknown. Each takes some memory besides its text.
const MOST_ANSWERS: usize = 256;

/// The answers in a request; most requests have none.
#[derive(Default)]
pub(crate) struct Answers(Option<Box<Brought>>);

#[derive(Default)]
struct Brought {
    /// Answers of earlier rounds that the handler has used. They were sealed, so they take
    /// precedence.
    state: AnswerState,
    /// The answers of this round (`inputResponses`).
    now: BTreeMap<String, Box<RawValue>>,
}

/// Why a call cannot start with these answers.
pub(crate) enum AnswersError {
    Refused(RpcError),
    /// The state has to be redeemed first.
    Unredeemed(Redemption),
}

impl From<RpcError> for AnswersError {
    fn from(error: RpcError) -> Self {
        Self::Refused(error)
    }
}

impl Answers {
    /// Reads the answers in a request.
    ///
    /// # Errors
    /// `-32602` if the state is not valid for this request, or if the answers are not an object,
    /// repeat a key or are too many; and a state that has not been redeemed yet.
    pub(crate) fn of(
        request: &ValidRequest<'_>,
        head: &Parts,
        purpose: Purpose<'_>,
        settings: &Settings,
    ) -> Result<Self, AnswersError> {
        let params = request.params.rare_params();
        let (responses, state) =
            (Params::present(params.input_responses), Params::present(params.request_state));
        if request.era() == Era::Legacy || (responses.is_none() && state.is_none()) {
            return Ok(Self::default());
        }
        let state = match state {
            Some(state) => {
                let text = state.string().ok_or_else(refusal)?;
                Some(AnswerState::open(&text, &Binding { head, purpose: purpose.digest() }, &settings.ask)?)
            }
            None => None,
        };
        let mut now = responses.map_or_else(|| Ok(BTreeMap::new()), read)?;
        if settings.ask.guard.is_some() {
            guard(state.as_ref(), &mut now, head)?;
        }
        Ok(Self(Some(Box::new(Brought { state: state.unwrap_or_default(), now }))))
    }

    /// Returns whether the request contains answers or a state.
    pub(crate) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Answers and a state for a test.
    #[cfg(feature = "test-util")]
    pub(crate) fn given(
        answers: &BTreeMap<String, serde_json::Value>,
        returned: Option<&serde_json::Value>,
    ) -> Self {
        // Values always serialise.
        let raw = |value: &serde_json::Value| serde_json::value::to_raw_value(value).ok();
        let state = AnswerState { returned: returned.and_then(raw), ..AnswerState::default() };
        let now = answers.iter().filter_map(|(key, answer)| Some((key.clone(), raw(answer)?)));
        Self(Some(Box::new(Brought { state, now: now.collect() })))
    }

    /// Creates the answers and the state of a restarted task.
    #[cfg(feature = "tasks")]
    pub(crate) fn of_task(answers: BTreeMap<String, Box<RawValue>>, returned: Option<Box<RawValue>>) -> Self {
        let state = AnswerState { returned, ..AnswerState::default() };
        Self(Some(Box::new(Brought { state, now: answers })))
    }

    /// Returns all answers, of this round and of earlier ones.
    #[cfg(feature = "tasks")]
    pub(crate) fn all(&self) -> BTreeMap<String, Box<RawValue>> {
        let Some(Brought { state, now }) = self.0.as_deref() else { return BTreeMap::new() };
        let mut all = now.clone();
        all.extend(state.answers.clone());
        all
    }

    /// Returns the answer to the question with this key.
    pub(super) fn find(&self, key: &str) -> Option<&RawValue> {
        let brought = self.0.as_deref()?;
        brought.state.answers.get(key).or_else(|| brought.now.get(key)).map(|answer| &**answer)
    }

    /// Returns the state that a handler set in its [`InputRequired`](super::InputRequired).
    pub(crate) fn state(&self) -> Option<&RawValue> {
        self.0.as_deref()?.state.returned.as_deref()
    }

    /// Returns only the answers of this round.
    pub(super) fn brought(&self) -> BTreeMap<String, Box<RawValue>> {
        self.0.as_deref().map(|brought| brought.now.clone()).unwrap_or_default()
    }
}

/// If answers are accepted once, keeps only those to questions that were asked.
fn guard(
    state: Option<&AnswerState>,
    now: &mut BTreeMap<String, Box<RawValue>>,
    head: &Parts,
) -> Result<(), AnswersError> {
    let Some(state) = state else {
        // No question was asked.
        return if now.is_empty() { Ok(()) } else { Err(refusal().into()) };
    };
    let Issued { id, asked } = state.issued.as_ref().ok_or_else(refusal)?;
    if head.extensions.get::<RedeemedMark>().is_none_or(|RedeemedMark(redeemed)| redeemed != id) {
        let (id, principal) = (id.clone(), Principal::of(head).cloned());
        return Err(AnswersError::Unredeemed(Redemption { id, expires: state.expires, principal }));
    }
    now.retain(|key, _| asked.contains(key));
    Ok(())
}

/// Reads `inputResponses`.
pub(crate) fn read(responses: Raw<'_>) -> Result<BTreeMap<String, Box<RawValue>>, RpcError> {
    if !responses.is_object() {
        return Err(RpcError::invalid_params("`inputResponses` must be an object"));
    }
    let mut answers = BTreeMap::new();
    let read = Scanner::new(responses.text()).members(|scanner, key| {
        let answer = RawValue::from_string(scanner.value()?.text().to_owned());
        let (Some(key), Ok(answer)) = (key.string(), answer) else { return Err(ScanFault::Unwanted) };
        // Another reader might use a different one of duplicate answers.
        let is_repeated = answers.insert(key.into_owned(), answer).is_some();
        if is_repeated || answers.len() > MOST_ANSWERS { Err(ScanFault::Unwanted) } else { Ok(()) }
    });
    read.map_err(|_| {
        let fault = format!("`inputResponses` must have at most {MOST_ANSWERS} members, and each key once");
        RpcError::invalid_params(fault)
    })?;
    Ok(answers)
}
