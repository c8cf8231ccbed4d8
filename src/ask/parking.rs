//! Calls of the legacy era that wait for an answer.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AskError, Question};
use crate::call::Exchange;
use crate::changes::{ChangeBus, News, Reach, Subscription};
use crate::deadline::Deadline;
use crate::principal::Principal;
use crate::request::Answer;
use crate::rpc::{ErrorCode, RpcError, write};

/// What the ids of questions begin with.
const PREFIX: &str = "ask-";

/// Where calls wait for the answers of their clients, bounded in number and time. An answer
/// comes over a bus, so it finds its call on whatever replica that waits.
pub(crate) struct Parking {
    pub(super) bus: Arc<dyn ChangeBus>,
    pub(super) most: usize,
    pub(super) timeout: Duration,
    pub(super) parked: Arc<AtomicUsize>,
}

/// An answer on its way over the bus.
#[derive(Deserialize, Serialize)]
struct Delivery<'a> {
    /// Who sent it.
    #[serde(borrow)]
    principal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: &'a RawValue,
}

/// What a client answers.
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
    /// Hands an answer to the call that waits for it, if there is one.
    pub(crate) fn deliver(&self, answer: Answer<'_>, head: &Parts) -> Reach {
        let Some(topic) = topic_of(answer.id.as_json()) else { return Reach::Nobody };
        let Ok(message) = serde_json::from_str(answer.text) else { return Reach::Nobody };
        let delivery = Delivery { principal: Principal::of(head).map(Cow::Borrowed), message };
        match serde_json::to_vec(&delivery) {
            Ok(delivery) => self.bus.publish(&topic, delivery.into()),
            Err(_) => Reach::Nobody,
        }
    }

    /// Sends a question on the stream of the call, and waits for its answer.
    pub(super) async fn ask(
        &self,
        question: Question,
        exchange: &Exchange,
    ) -> Result<Box<RawValue>, AskError> {
        if !exchange.outbox.is_open() {
            return Err(AskError::Unreachable(
                "it must accept text/event-stream, and call outside of a batch",
            ));
        }
        let _space = Space::take(&self.parked, self.most)
            .ok_or(AskError::Unreachable("too many calls wait for answers already"))?;
        let id = random_id().ok_or(AskError::Unreachable("the server has no randomness"))?;
        let id = format!("{PREFIX}{id}");
        let mut answers = self.bus.subscribe(&topic(&id));
        exchange.outbox.send(|buffer| write_question(buffer, &id, question)).await;

        let principal = Principal::of(&exchange.head);
        let mut deadline = Deadline::new(self.timeout);
        poll_fn(|cx| match poll_answer(&mut answers, principal, cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => deadline.poll(cx).map(|()| Err(AskError::TimedOut(self.timeout))),
        })
        .await
    }
}

fn poll_answer(
    answers: &mut Subscription,
    principal: Option<&str>,
    cx: &mut std::task::Context<'_>,
) -> Poll<Result<Box<RawValue>, AskError>> {
    loop {
        let message = match std::task::ready!(answers.poll_next(cx)) {
            Some(News::Message(message)) => message,
            Some(News::Missed) => continue,
            None => return Poll::Ready(Err(AskError::Unreachable("the bus of the answers is gone"))),
        };
        // Somebody else's answer is none, even of one who knows the id.
        if let Some(answer) = read(&message, principal) {
            return Poll::Ready(answer);
        }
    }
}

fn read(message: &Bytes, principal: Option<&str>) -> Option<Result<Box<RawValue>, AskError>> {
    let delivery: Delivery<'_> = serde_json::from_slice(message).ok()?;
    if delivery.principal.as_deref() != principal {
        tracing::warn!("the answer of somebody else was sent to a call");
        return None;
    }
    Some(match serde_json::from_str(delivery.message.get()) {
        Ok(Response { error: Some(Failure { code, message }), .. }) => {
            Err(AskError::Refused(RpcError::new(ErrorCode(code), message)))
        }
        Ok(Response { result: Some(result), .. }) => Ok(result),
        _ => Err(AskError::Misfit("it is neither a result nor an error".to_owned())),
    })
}

fn write_question(buffer: &mut Vec<u8>, id: &str, mut question: Question) {
    // Until 2025-11-25 a page that is to be visited has an id.
    if question.params.get("mode").is_some_and(|mode| mode == "url") {
        question.params.insert("elicitationId".to_owned(), id.into());
    }
    buffer.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    write::string(buffer, id);
    write::key(buffer, "method");
    write::string(buffer, question.method);
    write::key(buffer, "params");
    // Maps of JSON values are always JSON.
    let _ = write::json(buffer, &question.params);
    buffer.push(b'}');
}

/// 128 random bits in hexadecimal digits: an id that nobody can guess.
pub(crate) fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The topic on which the answer to the question of this id is published.
fn topic(id: &str) -> String {
    format!("mcp-stateless.{id}")
}

/// The same, from the JSON of the id that an answer has; `None` when no question has it.
fn topic_of(id: &str) -> Option<String> {
    let id = id.strip_prefix('"')?.strip_suffix('"')?;
    let digits = id.strip_prefix(PREFIX)?;
    let is_ours = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| topic(id))
}

/// A place among those who wait.
struct Space(Arc<AtomicUsize>);

impl Space {
    fn take(parked: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = parked.fetch_add(1, Ordering::Relaxed);
        let space = Self(Arc::clone(parked));
        (before < most).then_some(space)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
