//! One connection: which requests wait for their results, and where each message goes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_stateless::changes::Change;
use mcp_stateless::protocol::{ErrorCode, RpcError};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::counters::Counters;
use super::failure::{Cause, Failure, shown};
use super::inbox::{Event, Inbox, Offered};
use super::message::{self, Incoming, Message, Outcome, Params};
use super::outgoing::Outgoing;
use super::question::Questions;
use super::tasks::Aborting;

/// How long an abandoned request may still be answered before it is cancelled. Widespread
/// servers fail as a whole when a cancellation meets the answer; nearly all answers come
/// sooner, even those of a server that is behind.
const LINGER: Duration = Duration::from_secs(10);
/// How many abandoned requests may linger; those beyond are never cancelled.
const MOST_ABANDONED: usize = 1024;

/// How a session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closing {
    /// Not at all, so far.
    #[default]
    Open,
    /// It takes no more requests, and ends when those under way have their outcomes.
    Retiring,
    /// The upstream may finish what it does.
    Gently,
    /// At once.
    Now,
    /// At once, and without a word: the upstream is gone, or does not know the session.
    Gone,
}

/// Hears what an upstream says has changed.
pub(super) type News = Box<dyn Fn(Change<'_>) + Send + Sync>;

/// What a session's transport and its callers share.
pub(super) struct Connection {
    pub(super) upstream: Arc<str>,
    pub(super) counters: Arc<Counters>,
    pub(super) outgoing: Outgoing,
    questions: Arc<Questions>,
    requests: Mutex<HashMap<i64, Waiting>>,
    next_id: AtomicI64,
    abandoned: mpsc::Sender<(Instant, i64)>,
    closing: watch::Sender<Closing>,
    /// Why the connection ended; set once.
    end: Mutex<Option<Cause>>,
    was_good: AtomicBool,
    news: News,
}

/// A request without its outcome.
struct Waiting {
    /// `None` when its caller has left.
    inbox: Option<Arc<Inbox>>,
    /// Whether it takes log messages and questions.
    is_call: bool,
    /// The task that reads its own stream, once its caller does not.
    stream: Option<Aborting>,
}

/// Where the messages of a connection come out for its transport and its session.
pub(super) struct Ends {
    pub(super) outgoing: mpsc::Receiver<Message>,
    pub(super) abandoned: mpsc::Receiver<(Instant, i64)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way, so what it guards is whole even if poisoned.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    pub(super) fn new(upstream: Arc<str>, counters: Arc<Counters>, news: News) -> (Arc<Self>, Ends) {
        let (outgoing, to_send) = Outgoing::new();
        let (abandoned, to_cancel) = mpsc::channel(MOST_ABANDONED);
        let connection = Self {
            upstream,
            counters,
            questions: Questions::new(outgoing.clone()),
            outgoing,
            requests: Mutex::default(),
            next_id: AtomicI64::new(0),
            abandoned,
            closing: watch::Sender::new(Closing::Open),
            end: Mutex::default(),
            was_good: AtomicBool::new(false),
            news,
        };
        (Arc::new(connection), Ends { outgoing: to_send, abandoned: to_cancel })
    }

    /// Begins to wait for the outcome of a request under a new id. In a session that is retiring
    /// or has ended, it has its outcome at once, and is not to be sent.
    pub(super) fn register(&self, inbox: &Arc<Inbox>, is_call: bool) -> i64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut requests = lock(&self.requests);
        // Looked at under the lock, so that no request slips in after the end.
        match &*lock(&self.end) {
            _ if matches!(self.closing(), Closing::Retiring | Closing::Gone) => {
                inbox.finish(Err(Failure::Forgotten));
            }
            Some(cause) => inbox.finish(Err(Failure::Lost(cause.clone()))),
            None => {
                requests.insert(id, Waiting { inbox: Some(Arc::clone(inbox)), is_call, stream: None });
            }
        }
        id
    }

    /// Ties the task that reads a request's own stream to the request; it ends with it.
    pub(super) fn attach(&self, id: i64, stream: Aborting) {
        if let Some(waiting) = lock(&self.requests).get_mut(&id) {
            waiting.stream = Some(stream);
        }
    }

    /// Whether the outcome of a request is still to come.
    pub(super) fn is_waiting(&self, id: i64) -> bool {
        lock(&self.requests).contains_key(&id)
    }

    /// Ends a request without a response of the upstream.
    pub(super) fn fail(&self, id: i64, failure: Failure) {
        self.settle(id, Err(failure), Some(id));
    }

    fn settle(&self, id: i64, outcome: Result<String, Failure>, origin: Option<i64>) {
        let waiting = self.take(id);
        // An unknown id is that of an answer which comes too late.
        let Some(Waiting { inbox, stream, .. }) = waiting else { return };
        if let Some(inbox) = inbox {
            inbox.finish(outcome);
        }
        if let Some(stream) = stream
            && origin == Some(id)
        {
            // It is what runs this, and ends by itself.
            stream.detach();
        }
    }

    /// Forgets a request whose caller has left: at once, which closes its stream, or after a
    /// while, by a cancellation, if it is not answered till then. Whether it goes on.
    pub(super) fn abandon(&self, id: i64, lingers: bool) -> bool {
        let removed = {
            let mut requests = lock(&self.requests);
            let Some(waiting) = requests.get_mut(&id) else { return false };
            waiting.inbox = None;
            if lingers && self.abandoned.try_send((Instant::now() + LINGER, id)).is_ok() {
                return true;
            }
            drop(requests);
            self.take(id)
        };
        drop(removed);
        false
    }

    /// Takes a request out. With the last one a session that is retiring ends.
    fn take(&self, id: i64) -> Option<Waiting> {
        let mut requests = lock(&self.requests);
        let waiting = requests.remove(&id);
        if requests.is_empty() && self.closing() == Closing::Retiring {
            self.close(Closing::Gone);
        }
        waiting
    }

    /// Lets the requests under way come to their ends, each by itself, and takes no others.
    pub(super) fn retire(&self) {
        // Under the lock, so that no request slips in.
        let requests = lock(&self.requests);
        self.close(if requests.is_empty() { Closing::Gone } else { Closing::Retiring });
    }

    /// Cancels the requests that were abandoned and are not answered, each in its time.
    pub(super) async fn cancel(&self, mut abandoned: mpsc::Receiver<(Instant, i64)>) {
        while let Some((when, id)) = abandoned.recv().await {
            tokio::time::sleep_until(when).await;
            let waiting = self.take(id);
            if waiting.is_some() {
                let params = Params::new().with("requestId", id);
                self.outgoing.post(message::notification("notifications/cancelled", Some(params)));
            }
        }
    }

    /// Whether it has ever given a result to a caller.
    pub(super) fn was_good(&self) -> bool {
        self.was_good.load(Ordering::Relaxed)
    }

    /// Remembers that the connection works.
    pub(super) fn is_good(&self) {
        self.was_good.store(true, Ordering::Relaxed);
    }

    /// Ends the session; a later call can only hasten it.
    pub(super) fn close(&self, how: Closing) {
        self.closing.send_if_modified(|closing| {
            let hastens = how > *closing;
            *closing = how.max(*closing);
            hastens
        });
    }

    pub(super) fn closing(&self) -> Closing {
        *self.closing.borrow()
    }

    /// Whether no other request is to be made in the session.
    pub(super) fn is_closing(&self) -> bool {
        self.closing() != Closing::Open
    }

    /// The upstream takes no more input, and has not got these requests: they are made again in
    /// another session, and those under way come to their ends.
    pub(super) fn refuse_input(&self, unsent: Vec<i64>) {
        self.retire();
        for id in unsent {
            self.fail(id, Failure::Forgotten);
        }
    }

    /// Waits until the session ends.
    pub(super) async fn closed(&self) {
        self.closes(Closing::Gently).await;
    }

    /// Waits until the session ends in this way, or in a faster one.
    pub(super) async fn closes(&self, how: Closing) {
        let mut closing = self.closing.subscribe();
        // The sender is part of this, so it is there.
        let _ = closing.wait_for(|closing| *closing >= how).await;
    }

    /// Fails all that waits, and all that comes later. Only the first cause counts.
    pub(super) fn end(&self, cause: &Cause) {
        self.close(Closing::Gently);
        let waiting: Vec<_> = {
            let mut requests = lock(&self.requests);
            lock(&self.end).get_or_insert_with(|| cause.clone());
            requests.drain().collect()
        };
        for (_, waiting) in waiting {
            if let Some(inbox) = waiting.inbox {
                inbox.finish(Err(Failure::Lost(cause.clone())));
            }
        }
    }

    /// Takes a text that came on a connection which all calls share. Never waits.
    pub(super) fn receive(&self, text: &str) {
        for incoming in Incoming::read(text) {
            self.route(incoming, None);
        }
    }

    /// Takes a text that came on the stream of the request `id`; waits while that request's
    /// caller is slow.
    pub(super) async fn receive_for(&self, text: &str, id: i64) {
        for incoming in Incoming::read(text) {
            let inbox = lock(&self.requests).get(&id).and_then(|waiting| waiting.inbox.clone());
            if let Some(inbox) = inbox {
                inbox.has_room().await;
            }
            self.route(incoming, Some(id));
        }
    }

    fn route(&self, incoming: Incoming<'_>, origin: Option<i64>) {
        match incoming {
            Incoming::Response { id, outcome } => {
                // Errors of the transport carry any id.
                let of_stream = origin.filter(|_| !matches!(outcome, Outcome::Result(_)));
                let Some(id) = id.or(of_stream) else {
                    tracing::debug!(upstream = %self.upstream, "an answer names no request");
                    return;
                };
                let outcome = match outcome {
                    Outcome::Result(result) => Ok(result.get().to_owned()),
                    Outcome::Error(error) => Err(Failure::Rpc(message::error(error.get()))),
                    Outcome::Nothing => Err(Failure::failed("its answer has neither result nor error")),
                };
                self.settle(id, outcome, origin);
            }
            Incoming::Request { id, method, params } => self.question(id, &method, params, origin),
            Incoming::Notification { method, params } => {
                if self.notice(&method, params, origin).is_none() {
                    tracing::trace!(upstream = %self.upstream, method = shown(&method), "a notification concerns no call");
                }
            }
        }
    }

    fn question(&self, id: &RawValue, method: &str, params: Option<&RawValue>, origin: Option<i64>) {
        match method {
            "ping" => return self.questions.answer(id, "{}"),
            "elicitation/create" | "sampling/createMessage" | "roots/list" => {}
            _ => {
                let error = RpcError::new(ErrorCode::METHOD_NOT_FOUND, "Method not found");
                return self.questions.refuse(id, error);
            }
        }
        let Some((call, inbox)) = self.asked(origin) else {
            // Many servers ask for roots as soon as a session is open. They keep an empty list,
            // but ask again in a call after a refusal.
            let error = RpcError::new(ErrorCode::INVALID_REQUEST, "No call is under way that could be asked");
            return self.questions.refuse(id, error);
        };
        if let Some(ask) = self.questions.ask(call, id, method, params) {
            inbox.offer(Event::Ask(ask));
        }
    }

    /// The call that a question is for: the one on whose stream it came; where that is not
    /// known, the only one or, of several, the latest.
    fn asked(&self, origin: Option<i64>) -> Option<(i64, Arc<Inbox>)> {
        let requests = lock(&self.requests);
        let call = |id: i64| {
            let waiting = requests.get(&id).filter(|waiting| waiting.is_call)?;
            Some((id, waiting.inbox.clone()?))
        };
        match origin {
            Some(id) => call(id),
            None => requests.keys().copied().filter_map(call).max_by_key(|(id, _)| *id),
        }
    }

    fn notice(&self, method: &str, params: Option<&RawValue>, origin: Option<i64>) -> Option<()> {
        match method {
            "notifications/progress" => {
                let (token, progress) = message::progress(params?)?;
                let inbox = lock(&self.requests).get(&token)?.inbox.clone()?;
                inbox.offer(Event::Progress(progress));
            }
            "notifications/message" => {
                let log = message::log(params?)?;
                for inbox in self.listeners(origin) {
                    if inbox.offer(Event::Log(log.clone())) == Offered::Dropped {
                        self.counters.dropped_logs.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            "notifications/tools/list_changed" => (self.news)(Change::Tools),
            "notifications/prompts/list_changed" => (self.news)(Change::Prompts),
            "notifications/resources/list_changed" => (self.news)(Change::Resources),
            "notifications/resources/updated" => {
                (self.news)(Change::Resource(&message::text_member(params?, "uri")?));
            }
            "notifications/cancelled" => self.questions.withdraw(&message::cancelled(params?)?),
            _ => return None,
        }
        Some(())
    }

    /// The calls that a log message may concern.
    fn listeners(&self, origin: Option<i64>) -> Vec<Arc<Inbox>> {
        let requests = lock(&self.requests);
        let calls =
            requests.iter().filter(|(id, waiting)| waiting.is_call && origin.is_none_or(|it| it == **id));
        calls.filter_map(|(_, waiting)| waiting.inbox.clone()).collect()
    }
}
