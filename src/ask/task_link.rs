//! The connection between the handler of a task and its keeper: reports, questions and answers.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::{AskError, Question};

/// The maximum number of questions of a task. Each is stored until the task ends.
const MOST_QUESTIONS: usize = 256;

/// Connects the handler of a task with the keeper of the task, which stores the handler's reports and
/// questions, and delivers the answers.
#[derive(Default)]
pub(crate) struct TaskLink {
    state: Mutex<LinkState>,
    /// Notifies the keeper.
    changed: Notify,
}

#[derive(Default)]
struct LinkState {
    status: Option<String>,
    /// A question's number is its index.
    questions: Vec<Asked>,
    is_closed: bool,
    /// Whether questions stay open although the handler no longer waits for them.
    is_frozen: bool,
}

struct Asked {
    question: TaskQuestion,
    answer: Option<Box<RawValue>>,
    is_open: bool,
    /// Whether it cannot be asked again, because the handler has asked it in this run, or because it was
    /// withdrawn in a previous run. A restarted handler asks the questions of the previous run again.
    is_used: bool,
    /// Whether the handler had its answer when it began.
    is_known: bool,
    waker: Option<Waker>,
}

/// How a handler asks.
#[derive(Clone, Copy, PartialEq)]
enum Asking {
    /// It waits for the answer in place.
    InPlace,
    /// It has ended, and begins again with the answer.
    Returned,
}

impl Asked {
    fn new(question: TaskQuestion) -> Self {
        Self { question, answer: None, is_open: false, is_used: false, is_known: false, waker: None }
    }

    /// Returns whether this is the question with the same key that a handler asks.
    fn is_for(&self, asking: Asking, question: &TaskQuestion) -> bool {
        let is_same = self.question.method == question.method && self.question.params == question.params;
        match (asking, self.answer.is_some()) {
            (Asking::InPlace, is_answered) => !self.is_used && (is_answered || is_same),
            (Asking::Returned, true) => !self.is_known && is_same,
            (Asking::Returned, false) => self.is_open && is_same,
        }
    }
}

/// A question of a task.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct TaskQuestion {
    pub(crate) key: String,
    pub(crate) method: String,
    pub(crate) params: Map<String, Value>,
    /// The key under which the handler that returned the question expects its answer, if it differs:
    /// that of a question before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) returned_as: Option<String>,
}

/// The state of a handler that the keeper stores.
pub(crate) struct TaskReport {
    pub(crate) status: Option<String>,
    pub(crate) questions: Vec<TaskQuestion>,
    /// The numbers of the questions without an answer, in ascending order.
    pub(crate) open: Vec<u32>,
}

impl TaskLink {
    /// Creates the link of a task that another replica has run before. The questions with the numbers
    /// in `open` stay open until the handler comes to them, because their users may be about to answer.
    pub(crate) fn resumed(
        questions: Vec<TaskQuestion>,
        open: &[u32],
        answers: Vec<(u32, Box<RawValue>)>,
    ) -> Self {
        let mut questions: Vec<_> = questions.into_iter().map(Asked::new).collect();
        for number in open {
            if let Some(asked) = questions.get_mut(*number as usize) {
                asked.is_open = true;
            }
        }
        for (number, answer) in answers {
            if let Some(asked) = questions.get_mut(number as usize) {
                asked.answer = Some(answer);
                asked.is_open = false;
                asked.is_known = true;
            }
        }
        for asked in &mut questions {
            asked.is_used = asked.answer.is_none() && !asked.is_open;
        }
        Self { state: Mutex::new(LinkState { questions, ..LinkState::default() }), changed: Notify::new() }
    }

    /// Sets the status message.
    pub(crate) fn tell(&self, status: String) {
        self.lock().status = Some(status);
        self.changed.notify_one();
    }

    /// Asks a question, and returns its number. No two questions of a task share a key.
    pub(crate) fn ask(&self, key: &str, question: Question) -> Result<u32, AskError> {
        self.ask_by(Asking::InPlace, key, question)
    }

    /// Asks a question that the handler has returned, and returns its number. A handler that returns a
    /// question although it knows the answer wants another one, which has another key for the client.
    pub(crate) fn ask_returned(&self, key: &str, question: Question) -> Result<u32, AskError> {
        self.ask_by(Asking::Returned, key, question)
    }

    fn ask_by(&self, asking: Asking, key: &str, question: Question) -> Result<u32, AskError> {
        let Question { method, params, .. } = question;
        let mut question =
            TaskQuestion { key: key.to_owned(), method: method.to_owned(), params, returned_as: None };
        let mut state = self.lock();
        let mut number = 1_u32;
        let at = loop {
            let Some(at) = state.questions.iter().position(|asked| asked.question.key == question.key) else {
                break state.questions.len();
            };
            if state.questions[at].is_for(asking, &question) {
                break at;
            }
            number += 1;
            question.key = format!("{key}#{number}");
            if asking == Asking::Returned {
                question.returned_as = Some(key.to_owned());
            }
        };
        if at == state.questions.len() {
            if at == MOST_QUESTIONS {
                return Err(AskError::Unreachable("a task asks no more than 256 questions"));
            }
            state.questions.push(Asked::new(question));
        }
        let asked = &mut state.questions[at];
        asked.is_used = true;
        if asked.answer.is_none() {
            asked.is_open = true;
            self.changed.notify_one();
        }
        // There are at most 256.
        Ok(u32::try_from(at).unwrap_or_default())
    }

    /// Waits for the answer to a question. Dropping the future withdraws the question.
    pub(crate) fn answer(&self, number: u32) -> AnswerToTask<'_> {
        AnswerToTask { link: self, number: Some(number) }
    }

    /// Returns the number of the question with this key.
    pub(super) fn number_of(&self, key: &str) -> Option<u32> {
        let at = self.lock().questions.iter().position(|asked| asked.question.key == key)?;
        u32::try_from(at).ok()
    }

    fn poll_answer(&self, number: u32, cx: &Context<'_>) -> Poll<Result<Box<RawValue>, AskError>> {
        let mut state = self.lock();
        let is_closed = state.is_closed;
        let Some(asked) = state.questions.get_mut(number as usize) else {
            return Poll::Ready(Err(AskError::Ended));
        };
        if let Some(answer) = &asked.answer {
            return Poll::Ready(Ok(answer.clone()));
        }
        if is_closed {
            return Poll::Ready(Err(AskError::Ended));
        }
        match &mut asked.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Closes a question that the handler no longer waits for.
    pub(super) fn withdraw(&self, number: u32) {
        let mut state = self.lock();
        if state.is_frozen {
            return;
        }
        let Some(asked) = state.questions.get_mut(number as usize) else { return };
        if std::mem::take(&mut asked.is_open) {
            self.changed.notify_one();
        }
    }

    /// Withdraws the questions of a previous run that the handler has not reached in this one.
    pub(crate) fn withdraw_unused(&self) {
        for asked in self.lock().questions.iter_mut().filter(|asked| asked.is_open && !asked.is_used) {
            asked.is_open = false;
            asked.is_used = true;
        }
    }

    /// Delivers an answer. Only the first one is used.
    pub(crate) fn fill(&self, number: u32, answer: Box<RawValue>) {
        let waker = {
            let mut state = self.lock();
            let Some(asked) = state.questions.get_mut(number as usize) else { return };
            if asked.answer.is_some() {
                return;
            }
            asked.answer = Some(answer);
            asked.is_open = false;
            asked.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns the answers to all questions, by the keys that the handler knows. Of several with one
    /// key, the last counts.
    pub(crate) fn answers(&self) -> Vec<(String, Box<RawValue>)> {
        let answered = |asked: &Asked| {
            let TaskQuestion { key, returned_as, .. } = &asked.question;
            Some((returned_as.as_ref().unwrap_or(key).clone(), asked.answer.clone()?))
        };
        self.lock().questions.iter().filter_map(answered).collect()
    }

    /// Leaves questions open when the handler is dropped, because another replica continues the task.
    pub(crate) fn freeze(&self) {
        self.lock().is_frozen = true;
    }

    /// Opens the questions again that the handler has returned, after the handler has ended.
    pub(crate) fn reopen(&self) {
        self.lock().is_closed = false;
    }

    /// Ends the questions that wait.
    pub(crate) fn close(&self) {
        let wakers: Vec<_> = {
            let mut state = self.lock();
            state.is_closed = true;
            state.questions.iter_mut().filter_map(|asked| asked.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn report(&self) -> TaskReport {
        let state = self.lock();
        TaskReport {
            status: state.status.clone(),
            questions: state.questions.iter().map(|asked| asked.question.clone()).collect(),
            open: open(&state.questions),
        }
    }

    /// Returns the numbers of the questions without an answer, in ascending order.
    pub(crate) fn open(&self) -> Vec<u32> {
        open(&self.lock().questions)
    }

    /// Returns whether there is a status message other than `status`.
    pub(crate) fn has_other_status(&self, status: Option<&str>) -> bool {
        let state = self.lock();
        state.status.is_some() && state.status.as_deref() != status
    }

    /// Waits until there is something new to report. Only the keeper waits.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(questions: &[Asked]) -> Vec<u32> {
    questions.iter().zip(0..).filter_map(|(asked, number)| asked.is_open.then_some(number)).collect()
}

/// Waits for the answer to a question of a task.
pub(crate) struct AnswerToTask<'a> {
    link: &'a TaskLink,
    /// `None` once the answer is there.
    number: Option<u32>,
}

impl Future for AnswerToTask<'_> {
    type Output = Result<Box<RawValue>, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(number) = self.number else { return Poll::Pending };
        let answer = std::task::ready!(self.link.poll_answer(number, cx));
        self.number = None;
        Poll::Ready(answer)
    }
}

impl Drop for AnswerToTask<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.link.withdraw(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::poll_fn;
    use std::task::Poll;

    use serde_json::value::RawValue;

    use super::{Question, TaskLink};

    fn form(message: &str) -> Question {
        Question::form(message, serde_json::json!({"type": "object"}))
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[tokio::test]
    async fn no_two_questions_share_a_key_and_dropped_ones_are_withdrawn() {
        let link = TaskLink::default();
        let first = link.ask("name", form("Who?")).expect("a number");
        let second = link.ask("name", form("Who?")).expect("a number");
        let keys = |link: &TaskLink| link.report().questions.into_iter().map(|it| it.key).collect::<Vec<_>>();
        assert_eq!(keys(&link), ["name", "name#2"]);
        drop(link.answer(first));
        assert_eq!(link.report().open, [second]);
        let third = link.ask("name", form("Who?")).expect("a number");
        assert_eq!((keys(&link).len(), link.report().open), (3, vec![second, third]));

        let mut answer = Box::pin(link.answer(second));
        assert!(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_pending())).await);
        link.fill(second, raw("1"));
        link.fill(second, raw("2"));
        assert_eq!(answer.await.expect("an answer").get(), "1");
        assert_eq!(link.report().open, [third]);
        link.close();
        assert!(link.answer(third).await.is_err());
    }

    #[tokio::test]
    async fn a_handler_that_begins_again_asks_the_same_questions() {
        let link = TaskLink::default();
        for message in ["Who?", "Why?"] {
            link.ask("it", form(message)).expect("a number");
        }
        let questions = link.report().questions;
        let again = TaskLink::resumed(questions.clone(), &[1], vec![(0, raw("1"))]);
        assert_eq!(again.report().open, [1], "it can be answered all the time");
        let first = again.ask("it", form("Who?")).expect("a number");
        assert_eq!(again.answer(first).await.expect("the answer of before").get(), "1");
        assert_eq!(again.ask("it#2", form("Why?")).expect("a number"), 1);
        assert_eq!((again.report().questions, again.report().open), (questions.clone(), vec![1]));

        // Another question under the same key gets another key.
        let other = TaskLink::resumed(questions.clone(), &[0, 1], Vec::new());
        assert_eq!(other.ask("it", form("When?")).expect("a number"), 2);
        assert_eq!(other.report().questions[2].key, "it#3");

        // One that was withdrawn is not opened again.
        let other = TaskLink::resumed(questions, &[1], Vec::new());
        assert_eq!(other.ask("it", form("Who?")).expect("a number"), 2);
    }

    #[tokio::test]
    async fn a_handler_that_returns_a_question_again_gets_the_last_answer() {
        let answers = |link: &TaskLink| {
            let answers: BTreeMap<_, _> = link.answers().into_iter().collect();
            answers.into_iter().map(|(key, answer)| format!("{key}: {}", answer.get())).collect::<Vec<_>>()
        };
        let link = TaskLink::default();
        assert_eq!(link.ask_returned("it", form("Who?")).expect("a number"), 0);
        link.fill(0, raw("1"));
        // It arrived while the handler ran.
        assert_eq!(link.ask_returned("it", form("Who?")).expect("a number"), 0);
        let again = TaskLink::resumed(link.report().questions, &[], vec![(0, raw("1"))]);
        assert_eq!(again.ask_returned("it", form("Who?")).expect("a number"), 1);
        assert_eq!((&*again.report().questions[1].key, again.report().open), ("it#2", vec![1]));
        assert_eq!(answers(&again), ["it: 1"]);
        again.fill(1, raw("2"));
        assert_eq!(answers(&again), ["it: 2"]);

        // The replica dies before the answer arrives.
        let questions = again.report().questions;
        let third = TaskLink::resumed(questions.clone(), &[1], vec![(0, raw("1"))]);
        assert_eq!(third.ask_returned("it", form("Who?")).expect("a number"), 1);
        let third = TaskLink::resumed(questions, &[1], vec![(0, raw("1"))]);
        assert_eq!(third.ask_returned("other", form("Why?")).expect("a number"), 2);
        third.withdraw_unused();
        assert_eq!(third.report().open, [2]);
    }
}
