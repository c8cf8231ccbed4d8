//! Calls of the legacy era that wait for an answer.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AskError, Question};
use crate::call::Exchange;
use crate::changes::{CONNECT_LIMIT, ChangeBus, News, Reach, Subscription};
use crate::deadline::Deadline;
use crate::jsonrpc::{ErrorCode, RpcError, write};
use crate::observe::{ObserveSettings, ParkedQuestion, QuestionEnd};
use crate::places::{Full, Places};
use crate::principal::Principal;
use crate::request::ClientAnswer;

/// The prefix of the ids of questions.
const PREFIX: &str = "ask-";

/// Calls that wait for answers of their clients, bounded in number and time. Answers arrive over a
/// bus, so they reach a call on any replica.
pub(crate) struct Parking {
    pub(super) bus: Arc<dyn ChangeBus>,
    pub(super) places: Places,
    pub(super) timeout: Duration,
    /// The name of this replica in the ids of its questions.
    pub(super) replica: Replica,
}

/// The name of a replica: 64 random bits in hexadecimal. It only serves to explain why an answer
/// found no call, so it may be forged.
pub(super) struct Replica {
    name: String,
    /// Whether answers to questions of other replicas have been logged.
    has_told: AtomicBool,
}

/// How long a bus may take to deliver an answer.
const DELIVERY_LIMIT: Duration = Duration::from_secs(10);

/// An answer on its way to the call that waits for it. It borrows nothing from its request.
pub(crate) struct AnswerDelivery {
    topic: String,
    message: Bytes,
    /// Whether this replica asked the question.
    is_ours: bool,
}

/// Where an answer was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// To a call that waits for it, as far as the bus knows.
    Perhaps,
    /// Nowhere, because no call waits for it.
    Nowhere,
    /// Nowhere; the question came from another replica, or from this one before a restart.
    NotHere,
    /// Nowhere, because the bus cannot be reached.
    Unavailable,
}

/// An answer in a message on the bus.
#[derive(Deserialize, Serialize)]
struct Delivery<'a> {
    /// The caller that sent it.
    #[serde(borrow)]
    principal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: &'a RawValue,
}

/// The client's answer.
#[derive(Deserialize)]
struct Response {
    result: Option<Box<RawValue>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
    message: String,
}

impl Parking {
    /// Reads an answer; `None` if no question has its id.
    pub(crate) fn read(&self, answer: ClientAnswer<'_>, head: &Parts) -> Option<AnswerDelivery> {
        let id = QuestionId::read(answer.id.as_json())?;
        let message = serde_json::from_str(answer.text).ok()?;
        let principal = Principal::of(head).map(|principal| Cow::Borrowed(principal.as_str()));
        let message = serde_json::to_vec(&Delivery { principal, message }).ok()?.into();
        Some(AnswerDelivery { topic: id.topic(), message, is_ours: id.replica == self.replica.name })
    }

    /// Sends an answer in a message that gets no reply, so the outcome cannot be reported.
    pub(crate) fn send(&self, answer: AnswerDelivery) {
        self.bus.publish(&answer.topic, answer.message);
    }

    /// Delivers an answer to the call that waits for it, if there is one.
    pub(crate) async fn deliver(&self, answer: AnswerDelivery) -> DeliveryOutcome {
        let mut delivering = self.bus.deliver(&answer.topic, answer.message);
        let mut deadline = Deadline::new(DELIVERY_LIMIT);
        let reach = poll_fn(|cx| match delivering.as_mut().poll(cx) {
            Poll::Ready(reach) => Poll::Ready(reach),
            Poll::Pending => deadline.poll(cx).map(|()| Reach::Unavailable),
        });
        match reach.await {
            Reach::Perhaps => return DeliveryOutcome::Perhaps,
            Reach::Unavailable => return DeliveryOutcome::Unavailable,
            Reach::Nobody if answer.is_ours => return DeliveryOutcome::Nowhere,
            Reach::Nobody => {}
        }
        // Logged once, because anyone can make up such an id.
        if !self.replica.has_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "no call waits for the answer to another replica's question: replicas must share an `answer_bus`"
            );
        }
        DeliveryOutcome::NotHere
    }

    /// Sends a question on the call's stream, and waits for the answer.
    pub(super) async fn ask(
        &self,
        question: Question,
        exchange: &Exchange,
        observe: &ObserveSettings,
    ) -> Result<Box<RawValue>, AskError> {
        if !exchange.outbox.is_open() {
            return Err(AskError::Unreachable(
                "it must accept text/event-stream, and call outside of a batch",
            ));
        }
        let principal = Principal::of(&exchange.head);
        let _place = self.places.take(principal).map_err(|full| match full {
            Full::ForAll(_) => AskError::Unreachable(
                "too many calls wait for answers (the server's `max_parked` setting limits them)",
            ),
            Full::ForPrincipal(_) => AskError::Unreachable(
                "too many calls wait for answers of this caller (the server's `max_parked_per_principal` setting limits them)",
            ),
        })?;
        let id = random_id().ok_or(AskError::Unreachable("the system has no random numbers"))?;
        let id = QuestionId { replica: &self.replica.name, question: &id };
        let mut answers = self.bus.subscribe(&id.topic());
        // The answer may come at once, and must find the call.
        let mut deadline = Deadline::new(CONNECT_LIMIT);
        let is_connected = poll_fn(|cx| match answers.poll_connected(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => deadline.poll(cx).map(|()| false),
        });
        if !is_connected.await {
            tracing::warn!("a call cannot ask its client: the `answer_bus` is not connected");
            return Err(AskError::Rpc(RpcError::unavailable(
                "The client cannot be asked now: the server's `answer_bus` is not connected. Try again later",
            )));
        }
        let id = id.to_string();
        let parked = ParkedQuestion::begin(observe);
        exchange.outbox.send(|buffer| write_question(buffer, &id, question)).await;

        let mut deadline = Deadline::new(self.timeout);
        let answer = poll_fn(|cx| match poll_answer(&mut answers, principal, cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => deadline.poll(cx).map(|()| Err(AskError::TimedOut(self.timeout))),
        })
        .await;
        parked.end(match &answer {
            Err(AskError::TimedOut(_)) => QuestionEnd::TimedOut,
            Err(AskError::Unreachable(_)) => QuestionEnd::Abandoned,
            _ => QuestionEnd::Answered,
        });
        answer
    }
}

fn poll_answer(
    answers: &mut Subscription,
    principal: Option<&Principal>,
    cx: &mut std::task::Context<'_>,
) -> Poll<Result<Box<RawValue>, AskError>> {
    loop {
        let message = match std::task::ready!(answers.poll_next(cx)) {
            Some(News::Message(message)) => message,
            Some(News::Missed) => continue,
            None => {
                return Poll::Ready(Err(AskError::Unreachable(
                    "the `answer_bus` of the server has given up",
                )));
            }
        };
        // Answers of other callers are ignored, even if they know the id.
        if let Some(answer) = read(&message, principal) {
            return Poll::Ready(answer);
        }
    }
}

fn read(message: &Bytes, principal: Option<&Principal>) -> Option<Result<Box<RawValue>, AskError>> {
    let delivery: Delivery<'_> = serde_json::from_slice(message).ok()?;
    if delivery.principal.as_deref() != principal.map(Principal::as_str) {
        tracing::warn!("ignored an answer from another caller than the call's");
        return None;
    }
    Some(match serde_json::from_str(delivery.message.get()) {
        Ok(Response { error: Some(Failure { code, message }), .. }) => {
            Err(AskError::Refused(RpcError::new(ErrorCode(code), message)))
        }
        Ok(Response { result: Some(result), .. }) => Ok(result),
        _ => Err(AskError::Misfit("it has neither a result nor an error".to_owned())),
    })
}

fn write_question(buffer: &mut Vec<u8>, id: &str, mut question: Question) {
    // Until 2025-11-25, a question with a URL has an id.
    if question.params.get("mode").is_some_and(|mode| mode == "url") {
        question.params.insert("elicitationId".to_owned(), id.into());
    }
    buffer.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    write::string(buffer, id);
    write::key(buffer, "method");
    write::string(buffer, question.method);
    write::key(buffer, "params");
    // Maps of JSON values always serialise.
    let _ = write::json(buffer, &question.params);
    buffer.push(b'}');
}

/// Returns 128 random bits in hexadecimal, an id that cannot be guessed.
pub(crate) fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Returns the id of a question: `ask-`, the replica, and 128 random bits.
struct QuestionId<'a> {
    replica: &'a str,
    question: &'a str,
}

impl fmt::Display for QuestionId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}-{}", self.replica, self.question)
    }
}

impl<'a> QuestionId<'a> {
    /// Reads the JSON of an answer's id; `None` if no question has such an id.
    fn read(id: &'a str) -> Option<Self> {
        let id = id.strip_prefix('"')?.strip_suffix('"')?;
        let (replica, question) = id.strip_prefix(PREFIX)?.split_once('-')?;
        let is_ours = is_hexadecimal(replica, 16) && is_hexadecimal(question, 32);
        is_ours.then_some(Self { replica, question })
    }

    /// Returns the topic on which the answer is published.
    fn topic(&self) -> String {
        format!("mcp-stateless.{self}")
    }
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Replica {
    /// Returns a unique name for this replica. Without random numbers the server does not ask, so
    /// any name will do.
    pub(super) fn new() -> Self {
        let mut name = random_id().unwrap_or_else(|| "0".repeat(32));
        name.truncate(16);
        Self { name, has_told: AtomicBool::new(false) }
    }
}
