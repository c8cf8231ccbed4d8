//! The questions of one call.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::state::{Binding, Purpose, State};
use super::{Answers, AskError, InputRequired, Origin, Question};
use crate::call::{Exchange, ToolContext};
use crate::config::Settings;
use crate::protocol::Era;
use crate::result::{WriteResult, open_meta};
use crate::rpc::{ErrorCode, RpcError, write};

/// What one call has asked, and been answered.
pub(crate) struct Asks {
    era: Era,
    settings: Arc<Settings>,
    method: Bytes,
    target: Bytes,
    arguments: Bytes,
    answers: Answers,
    so_far: Mutex<SoFar>,
}

#[derive(Default)]
struct SoFar {
    /// Questions without an answer, by their keys.
    asked: Vec<(String, Question)>,
    /// How often each key has been answered: under one that has been, another question is
    /// another question.
    answered: BTreeMap<String, u32>,
    /// The answers that the handler has looked at, which the next round needs again.
    seen: BTreeMap<String, Box<RawValue>>,
    /// Handlers that wait for an answer which does not come in this request.
    waiting: Vec<Waker>,
    /// Who turns questions into the reply.
    asker: Option<Waker>,
    is_closed: bool,
}

impl Asks {
    pub(crate) fn new(era: Era, origin: &Origin<'_>, answers: Answers, settings: Arc<Settings>) -> Self {
        let keep = |part| match era {
            Era::Modern => origin.keep(part),
            Era::Legacy => Bytes::new(),
        };
        let Purpose { method, target, arguments } = origin.purpose;
        let (method, target, arguments) = (keep(method), keep(target), keep(arguments));
        Self { era, settings, method, target, arguments, answers, so_far: Mutex::default() }
    }

    /// Asks the client. In the modern era a question without an answer never returns; it
    /// becomes the reply, and the handler is dropped.
    pub(super) async fn ask(
        &self,
        cx: &ToolContext,
        key: &str,
        question: Question,
    ) -> Result<Box<RawValue>, AskError> {
        if let Some(fault) = &question.fault {
            tracing::error!(key, fault, "a question cannot be asked");
            return Err(AskError::Rpc(RpcError::internal()));
        }
        if self.era == Era::Legacy {
            return self.ask_aside(question, cx.exchange()).await;
        }
        cx.require(question.needs).map_err(AskError::Rpc)?;
        let times = self.lock().answered.get(key).copied().unwrap_or_default();
        let numbered = match times {
            0 => key.to_owned(),
            _ => format!("{key}#{}", times + 1),
        };
        if let Some(answer) = self.see(&numbered) {
            *self.lock().answered.entry(key.to_owned()).or_default() += 1;
            return Ok(answer);
        }
        let asker = {
            let mut so_far = self.lock();
            if so_far.asked.iter().all(|(other, _)| *other != numbered) {
                so_far.asked.push((numbered, question));
            }
            so_far.asker.take()
        };
        if let Some(asker) = asker {
            asker.wake();
        }
        poll_fn(|cx| self.poll_closed(cx)).await;
        Err(AskError::Ended)
    }

    /// Asks on the call's stream, for as long as there is one.
    async fn ask_aside(&self, question: Question, exchange: &Exchange) -> Result<Box<RawValue>, AskError> {
        let mut asking = pin!(self.settings.ask.parking.ask(question, exchange));
        poll_fn(|cx| match self.poll_closed(cx) {
            Poll::Ready(()) => Poll::Ready(Err(AskError::Ended)),
            Poll::Pending => asking.as_mut().poll(cx),
        })
        .await
    }

    /// The answer of this key, which then is kept for the next round.
    pub(super) fn see(&self, key: &str) -> Option<Box<RawValue>> {
        let answer = self.answers.find(key)?;
        self.lock().seen.insert(key.to_owned(), answer.to_owned());
        Some(answer.to_owned())
    }

    /// What a handler that asks by hand left for this round.
    pub(super) fn state(&self) -> Option<&RawValue> {
        self.answers.state()
    }

    /// The answers of this round alone.
    #[cfg(feature = "upstream")]
    pub(super) fn brought(&self) -> BTreeMap<String, Box<RawValue>> {
        self.answers.brought()
    }

    /// The questions that have no answer, as a reply, once there are any.
    pub(crate) fn poll_required(
        &self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
    ) -> Poll<Result<Required, RpcError>> {
        {
            let mut so_far = self.lock();
            if so_far.asked.is_empty() {
                so_far.asker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        Poll::Ready(self.required(InputRequired::new(), exchange))
    }

    /// What a handler that asks by hand has returned, as a reply.
    pub(crate) fn by_hand(
        &self,
        required: InputRequired,
        exchange: &Arc<Exchange>,
    ) -> Result<Required, RpcError> {
        if self.era == Era::Legacy {
            let reason = "This asks the client in a way that only clients of 2026-07-28 understand";
            return Err(RpcError::new(ErrorCode::INVALID_REQUEST, reason));
        }
        let cx = ToolContext::new(Arc::clone(exchange));
        required.questions.iter().try_for_each(|(_, question)| cx.require(question.needs))?;
        self.required(required, exchange)
    }

    fn required(&self, by_hand: InputRequired, exchange: &Exchange) -> Result<Required, RpcError> {
        let (mut questions, seen) = {
            let mut so_far = self.lock();
            (std::mem::take(&mut so_far.asked), std::mem::take(&mut so_far.seen))
        };
        questions.extend(by_hand.questions);
        if let Some((key, fault)) = questions.iter().find_map(|(key, it)| Some((key, it.fault.as_ref()?))) {
            tracing::error!(key, fault, "a question cannot be asked");
            return Err(RpcError::internal());
        }
        let by_hand = by_hand.state.map(|state| serde_json::value::to_raw_value(&state));
        let by_hand = by_hand.transpose().map_err(|_| RpcError::internal())?;
        // They were parts of texts, and still are.
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let purpose = Purpose {
            method: text(&self.method),
            target: text(&self.target),
            arguments: text(&self.arguments),
        };
        let binding = Binding { head: &exchange.head, purpose };
        let state = State::seal(seen, by_hand, &binding, &self.settings.ask)?;
        Ok(Required { questions, state })
    }

    /// Lets go of those who wait for what does not come any more.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut so_far = self.lock();
            so_far.is_closed = true;
            std::mem::take(&mut so_far.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut so_far = self.lock();
        if so_far.is_closed {
            return Poll::Ready(());
        }
        if !so_far.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            so_far.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        // Nothing in here panics half-way, so it is whole even if poisoned.
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An `InputRequiredResult` (2026-07-28, Schema).
pub(crate) struct Required {
    questions: Vec<(String, Question)>,
    state: String,
}

impl WriteResult for Required {
    fn write(&self, buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
        buffer.extend_from_slice(br#"{"resultType":"input_required","#);
        if !self.questions.is_empty() {
            buffer.extend_from_slice(br#""inputRequests":{"#);
            for (key, question) in &self.questions {
                write::key(buffer, key);
                buffer.push(b'{');
                write::key(buffer, "method");
                write::string(buffer, question.method);
                write::key(buffer, "params");
                // Maps of JSON values are always JSON.
                let _ = write::json(buffer, &question.params);
                buffer.push(b'}');
            }
            buffer.extend_from_slice(b"},");
        }
        buffer.extend_from_slice(br#""requestState":"#);
        write::string(buffer, &self.state);
        open_meta(buffer, era, settings);
        buffer.extend_from_slice(b"}}");
    }
}
