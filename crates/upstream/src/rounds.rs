//! The rounds in which an upstream of the modern era asks questions (2026-07-28, Multi Round-Trip
//! Requests), and what a client of that era carries between them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use mcp_stateless::ask::{AskError, InputRequired, Question};
use mcp_stateless::protocol::{Era, RpcError};
use mcp_stateless::{CallContext, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::failure::unavailable;
use super::message::each_member;

/// The maximum number of rounds in which an upstream may ask questions in one call.
const MOST_ROUNDS: u32 = 16;
/// The pause before the next round if the upstream asked no question.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(200);

/// The state that a client of the modern era sends back with its answers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Carried {
    /// The id of a parked call, and the number of its question.
    Parked { id: String, question: u32 },
    /// The state of an upstream of the modern era, and the number of the round.
    Round { state: Option<String>, round: u32 },
}

impl Carried {
    pub(super) fn to_json(&self) -> Value {
        // Strings and numbers always serialise.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// One round of a call to an upstream of the modern era.
#[derive(Default)]
pub(super) struct Round {
    pub(super) number: u32,
    pub(super) answers: BTreeMap<String, Box<RawValue>>,
    pub(super) state: Option<String>,
}

/// An `InputRequiredResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Required {
    #[serde(default)]
    input_requests: BTreeMap<String, InputRequest>,
    request_state: Option<String>,
}

#[derive(Deserialize)]
struct InputRequest {
    method: String,
    #[serde(default)]
    params: Option<Map<String, Value>>,
}

impl Required {
    /// Returns what an upstream asks for; `None` if this is the final result.
    ///
    /// # Errors
    /// Returns an error if the text is not a known kind of result.
    pub(super) fn read(text: &str, upstream: &str) -> Result<Option<Self>, RpcError> {
        // Results of the legacy era have no `resultType`. The key may contain escapes.
        let may_have_kind =
            [&b"resultType"[..], br"\u"].iter().any(|it| memchr::memmem::find(text.as_bytes(), it).is_some());
        if text.starts_with('{') && !may_have_kind {
            return Ok(None);
        }
        let mut kind = None;
        let is_object = each_member(text, |name, value| {
            if name == "resultType" {
                // Ignored if it is not a string.
                kind = serde_json::from_str::<Cow<'_, str>>(value.get()).ok();
            }
        });
        is_object.ok_or_else(|| unavailable(upstream, "sent a response that is not a result"))?;
        match kind.as_deref() {
            None | Some("complete") => Ok(None),
            Some("input_required") => {
                let required = serde_json::from_str(text);
                required.map(Some).map_err(|_| unavailable(upstream, "sent a malformed request for input"))
            }
            Some(_) => Err(unavailable(upstream, "sent an unknown type of result")),
        }
    }

    /// Gets the client's answers, which are sent in the round `number`.
    ///
    /// # Errors
    /// Returns an error if the reply has to ask the client, or if the client cannot be asked.
    pub(super) async fn ask(self, cx: &CallContext, number: u32, upstream: &str) -> Result<Round, ToolError> {
        if number > MOST_ROUNDS {
            return Err(unavailable(upstream, "asked too many times").into());
        }
        let Self { input_requests, request_state: state } = self;
        let mut questions = Vec::with_capacity(input_requests.len());
        for (key, InputRequest { method, params }) in input_requests {
            let question = Question::relay(&method, params.unwrap_or_default());
            let question =
                question.ok_or_else(|| unavailable(upstream, "sent an unknown request for input"))?;
            questions.push((key, question));
        }
        if cx.revision().era() == Era::Modern {
            let carried = Carried::Round { state, round: number };
            let by_hand = InputRequired::new().state(carried.to_json());
            let ask = |by_hand: InputRequired, (key, question)| by_hand.ask(key, question);
            return Err(questions.into_iter().fold(by_hand, ask).into());
        }
        if questions.is_empty() {
            tokio::time::sleep(BETWEEN_ROUNDS).await;
        }
        let answers = questions.into_iter().map(async |(key, question)| {
            let answer = cx.ask_json(&key, question).await?;
            Ok::<_, AskError>((key, answer))
        });
        let answers = try_join_all(answers).await?.into_iter().collect();
        Ok(Round { number, answers, state })
    }
}
