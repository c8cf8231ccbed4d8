//! The questions of one call.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
#[cfg(feature = "tasks")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::value::RawValue;

use super::purpose::{KeptPurpose, Purpose};
use super::required::Required;
use super::state::{AnswerState, Binding};
#[cfg(feature = "tasks")]
use super::task_link::TaskLink;
#[cfg(feature = "tasks")]
use super::task_wish::TaskWish;
use super::{Answers, AskError, InputRequired, Question};
use crate::call::{CallContext, Exchange};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::line;
use crate::protocol::Era;
use crate::settings::Settings;

/// The maximum length of a logged key, in bytes.
const MAX_KEY: usize = 256;

/// The questions and answers of one call.
pub(crate) struct Asks {
    era: Era,
    settings: Arc<Settings>,
    purpose: KeptPurpose,
    answers: Answers,
    /// Whether a question waits for the next round. Written under the lock, and read without it.
    is_open: AtomicBool,
    so_far: Mutex<SoFar>,
    /// Set once the call has become a task.
    #[cfg(feature = "tasks")]
    task: OnceLock<Arc<TaskLink>>,
    #[cfg(feature = "tasks")]
    pub(crate) wish: TaskWish,
}

#[derive(Default)]
struct SoFar {
    /// The questions without an answer, by key.
    asked: Vec<(String, Question)>,
    /// The keys of all questions of this run, except those that were dropped without an answer.
    taken: BTreeSet<String>,
    /// The answers that the handler has used, which the next round needs again.
    seen: BTreeMap<String, Box<RawValue>>,
    /// The wakers of questions that wait until the call ends, by number.
    waits: BTreeMap<u64, Waiter>,
    next_wait: u64,
    /// The waker of the handler's call.
    call: Option<Waker>,
    /// The address of the waker that counts its clones, if it exists.
    counted: Option<usize>,
    /// Whether a question was dropped without an answer.
    is_abandoned: bool,
    is_closed: bool,
    /// Whether answers arrive while the handler runs, because the call has become a task.
    #[cfg(feature = "tasks")]
    is_task: bool,
}

/// Who polls a question.
enum Waiter {
    /// The handler, which is woken together with its call.
    Handler,
    Other(Waker),
}

impl Asks {
    pub(crate) fn new(era: Era, purpose: Purpose<'_>, answers: Answers, settings: Arc<Settings>) -> Self {
        let purpose = match era {
            Era::Modern => purpose.keep(),
            Era::Legacy => KeptPurpose::Nothing,
        };
        let is_open = AtomicBool::new(false);
        Self {
            era,
            settings,
            purpose,
            answers,
            is_open,
            so_far: Mutex::default(),
            #[cfg(feature = "tasks")]
            task: OnceLock::new(),
            #[cfg(feature = "tasks")]
            wish: TaskWish::default(),
        }
    }

    /// Asks the client. In the modern era, a question without an answer never returns: it becomes
    /// the reply, and the handler is dropped; except in a task, where the handler waits.
    pub(super) async fn ask(
        &self,
        cx: &CallContext,
        key: &str,
        question: Question,
    ) -> Result<Box<RawValue>, AskError> {
        if let Some(fault) = &question.fault {
            tracing::error!(key = &*line(key, MAX_KEY), fault, "a question cannot be asked");
            return Err(AskError::Rpc(RpcError::internal()));
        }
        if self.lock().is_closed && self.answers.find(key).is_none() {
            return Err(AskError::Ended);
        }
        if self.era == Era::Legacy {
            return self.ask_aside(question, cx.exchange()).await;
        }
        cx.require(question.needs).map_err(AskError::Rpc)?;
        let key = self.lock().take_key(key);
        if let Some(answer) = self.see(&key) {
            return Ok(answer);
        }
        #[cfg(feature = "tasks")]
        if let Some(link) = self.task.get() {
            let number = link.ask(&key, question)?;
            return link.answer(number).await;
        }
        let call = {
            let mut so_far = self.lock();
            if so_far.is_closed {
                return Err(AskError::Ended);
            }
            // A question under the key of a dropped one repeats it.
            if !so_far.is_abandoned || so_far.asked.iter().all(|(other, _)| *other != key) {
                so_far.asked.push((key.clone(), question));
            }
            self.is_open.store(true, Ordering::Release);
            so_far.call.take()
        };
        if let Some(call) = call {
            call.wake();
        }
        #[cfg(feature = "tasks")]
        let asked = key.clone();
        CallEnd { asks: self, number: None, key: Some(key) }.await;
        #[cfg(feature = "tasks")]
        if let Some(link) = self.task.get()
            && let Some(number) = link.number_of(&asked)
        {
            return link.answer(number).await;
        }
        Err(AskError::Ended)
    }

    /// Asks on the call's stream, while it is open.
    async fn ask_aside(&self, question: Question, exchange: &Exchange) -> Result<Box<RawValue>, AskError> {
        self.settings.ask.note_caller(&exchange.head);
        let mut over = CallEnd { asks: self, number: None, key: None };
        let mut asking = pin!(self.settings.ask.parking.ask(question, exchange, &self.settings.observe));
        std::future::poll_fn(|cx| match Pin::new(&mut over).poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(AskError::Ended)),
            Poll::Pending => asking.as_mut().poll(cx),
        })
        .await
    }

    /// Returns the answer with this key, and keeps it for the next round.
    pub(super) fn see(&self, key: &str) -> Option<Box<RawValue>> {
        let answer = self.answers.find(key)?;
        self.lock().seen.insert(key.to_owned(), answer.to_owned());
        Some(answer.to_owned())
    }

    /// Returns the state that the handler set in its [`InputRequired`] of the previous round.
    pub(super) fn state(&self) -> Option<&RawValue> {
        self.answers.state()
    }

    /// Returns only the answers of this round.
    pub(super) fn brought(&self) -> BTreeMap<String, Box<RawValue>> {
        self.answers.brought()
    }

    /// Whether a question has no answer, so that the call cannot end with a result.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Whether a question has no answer. Every change of that wakes the caller.
    pub(super) fn watch(&self, cx: &Context<'_>) -> bool {
        let mut so_far = self.lock();
        match &mut so_far.call {
            Some(call) => call.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.is_open()
    }

    /// How long the handler may continue after a question stays without an answer.
    pub(super) fn grace(&self) -> Duration {
        self.settings.ask.question_grace
    }

    /// Notes the address of the waker that polls the handler from now on.
    pub(super) fn count_with(&self, address: usize) {
        self.lock().counted = Some(address);
    }

    /// Whether a question was dropped without an answer.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }

    /// Whether a question is polled by another task than the handler's.
    pub(super) fn has_strangers(&self) -> bool {
        self.lock().waits.values().any(|waiter| matches!(waiter, Waiter::Other(_)))
    }

    /// Returns the reply: the questions without an answer, and those that the handler returned.
    pub(crate) fn required(
        &self,
        returned: InputRequired,
        exchange: &Arc<Exchange>,
    ) -> Result<Required, RpcError> {
        if self.era == Era::Legacy {
            let reason = "This returns questions, which only clients of 2026-07-28 support";
            return Err(RpcError::new(ErrorCode::INVALID_REQUEST, reason));
        }
        let cx = CallContext::new(Arc::clone(exchange));
        returned.questions.iter().try_for_each(|(_, question)| cx.require(question.needs))?;
        let (mut questions, seen) = {
            let mut so_far = self.lock();
            self.is_open.store(false, Ordering::Release);
            (std::mem::take(&mut so_far.asked), std::mem::take(&mut so_far.seen))
        };
        questions.retain(|(key, _)| returned.questions.iter().all(|(other, _)| other != key));
        questions.extend(returned.questions);
        if let Some((key, fault)) = questions.iter().find_map(|(key, it)| Some((key, it.fault.as_ref()?))) {
            tracing::error!(key = &*line(key, MAX_KEY), fault, "a question cannot be asked");
            return Err(RpcError::internal());
        }
        let handler_state = returned.state.map(|state| serde_json::value::to_raw_value(&state));
        let handler_state = handler_state.transpose().map_err(|_| RpcError::internal())?;
        self.settings.ask.note_caller(&exchange.head);
        let binding = Binding { head: &exchange.head, purpose: self.purpose.digest() };
        let state = AnswerState::seal(&questions, seen, handler_state, &binding, &self.settings.ask)?;
        Ok(Required { questions, state })
    }

    /// Lets the handler continue as a task. Its open questions become those of the task, and continue to
    /// wait for their answers.
    #[cfg(feature = "tasks")]
    pub(crate) fn become_task(&self, link: &Arc<TaskLink>) {
        let (waits, call) = {
            let mut so_far = self.lock();
            if so_far.is_closed || self.task.set(Arc::clone(link)).is_err() {
                return;
            }
            so_far.is_task = true;
            if let Some(status) = self.wish.status() {
                link.tell(status);
            }
            for (key, question) in std::mem::take(&mut so_far.asked) {
                // A call has few questions, so there is room for them.
                let _ = link.ask(&key, question);
            }
            self.is_open.store(false, Ordering::Release);
            (std::mem::take(&mut so_far.waits), so_far.call.take())
        };
        wake(waits);
        if let Some(call) = call {
            call.wake();
        }
        self.wish.settle(true);
    }

    /// Returns whether the server allows the call to become a task.
    #[cfg(feature = "tasks")]
    pub(crate) fn may_become_task(&self) -> bool {
        self.era == Era::Modern && self.settings.tasks.is_some()
    }

    /// Returns the task that the call has become.
    #[cfg(feature = "tasks")]
    pub(crate) fn task(&self) -> Option<&Arc<TaskLink>> {
        self.task.get()
    }

    /// Returns the answers of the rounds before the call became a task, which a restarted call needs as well.
    #[cfg(feature = "tasks")]
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    #[cfg(feature = "tasks")]
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Ends the questions that wait, because their answers can no longer arrive.
    pub(crate) fn close(&self) {
        let (waits, call) = {
            let mut so_far = self.lock();
            so_far.is_closed = true;
            let was_open = self.is_open.swap(false, Ordering::AcqRel);
            let waits = std::mem::take(&mut so_far.waits);
            // A detached handler continues.
            (waits, so_far.call.take().filter(|_| was_open))
        };
        wake(waits);
        if let Some(call) = call {
            call.wake();
        }
        #[cfg(feature = "tasks")]
        {
            if self.wish.is_wanted() {
                self.wish.settle(false);
            }
            if let Some(link) = self.task.get() {
                link.close();
            }
        }
    }

    /// Waits until the call has become a task; `false` if it cannot.
    #[cfg(feature = "tasks")]
    pub(super) async fn until_task(&self) -> bool {
        std::future::poll_fn(|cx| match self.wish.poll(cx) {
            // Checked after the wish is known, so that either this or `close` sees the other.
            Poll::Pending if self.lock().is_closed => Poll::Ready(false),
            polled => polled,
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waits: BTreeMap<u64, Waiter>) {
    for waiter in waits.into_values() {
        if let Waiter::Other(waker) = waiter {
            waker.wake();
        }
    }
}

impl SoFar {
    /// Returns the key of the next question: `key#2` and so on if earlier questions used the
    /// others.
    fn take_key(&mut self, key: &str) -> String {
        let mut numbered = key.to_owned();
        let mut number = 1_u32;
        while self.taken.contains(&numbered) {
            number += 1;
            numbered = format!("{key}#{number}");
        }
        self.taken.insert(numbered.clone());
        numbered
    }
}

/// Waits until the call ends, or becomes a task.
struct CallEnd<'a> {
    asks: &'a Asks,
    /// The number of this wait, once it was polled.
    number: Option<u64>,
    /// The key of the question without an answer.
    key: Option<String>,
}

impl Future for CallEnd<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut so_far = self.asks.lock();
        if so_far.is_closed {
            return Poll::Ready(());
        }
        #[cfg(feature = "tasks")]
        if so_far.is_task {
            drop(so_far);
            self.key = None;
            return Poll::Ready(());
        }
        let is_handler = so_far.counted == Some(cx.waker().data().addr());
        let number = self.number.unwrap_or(so_far.next_wait);
        so_far.next_wait = so_far.next_wait.max(number + 1);
        let waiter = so_far.waits.entry(number).or_insert(Waiter::Handler);
        if is_handler {
            *waiter = Waiter::Handler;
        } else if let Waiter::Other(waker) = waiter {
            waker.clone_from(cx.waker());
        } else {
            *waiter = Waiter::Other(cx.waker().clone());
        }
        drop(so_far);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for CallEnd<'_> {
    fn drop(&mut self) {
        let call = {
            let mut so_far = self.asks.lock();
            let _waiter = self.number.and_then(|number| so_far.waits.remove(&number));
            let Some(key) = self.key.take().filter(|_| !so_far.is_closed) else { return };
            #[cfg(feature = "tasks")]
            if let Some(link) = self.asks.task.get() {
                if let Some(number) = link.number_of(&key) {
                    link.withdraw(number);
                }
                return;
            }
            so_far.taken.remove(&key);
            so_far.is_abandoned = true;
            so_far.call.take()
        };
        if let Some(call) = call {
            call.wake();
        }
    }
}
