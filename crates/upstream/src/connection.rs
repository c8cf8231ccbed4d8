//! One connection: its open requests, and the routing of messages.

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

/// How long an abandoned request may still get its response before it is cancelled. Some widespread
/// servers crash when a cancellation crosses the response. Nearly all responses arrive sooner, even
/// from a busy server.
const LINGER: Duration = Duration::from_secs(10);
/// How many abandoned requests may linger. Any further ones are never cancelled.
const MOST_ABANDONED: usize = 1024;

/// How a session ends, from the slowest way to the fastest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closing {
    /// It is not ending.
    #[default]
    Open,
    /// It accepts no more requests, and ends when the open ones have their outcomes.
    Retiring,
    /// The upstream may finish its work.
    Gently,
    /// It ends immediately.
    Now,
    /// It ends immediately and the upstream is not told: it is gone or does not know the session.
    Gone,
}

/// A callback for the change notifications of an upstream.
pub(super) type News = Box<dyn Fn(Change<'_>) + Send + Sync>;

/// The state that a session's transport and its callers share.
pub(super) struct Connection {
    pub(super) upstream: Arc<str>,
    pub(super) counters: Arc<Counters>,
    pub(super) outgoing: Outgoing,
    questions: Arc<Questions>,
    requests: Mutex<HashMap<i64, Waiting>>,
    next_id: AtomicI64,
    abandoned: mpsc::Sender<(Instant, i64)>,
    closing: watch::Sender<Closing>,
    /// The cause of the end; set once.
    end: Mutex<Option<Cause>>,
    was_good: AtomicBool,
    news: News,
}

/// A request that waits for its outcome.
struct Waiting {
    /// `None` once its caller has abandoned it.
    inbox: Option<Arc<Inbox>>,
    /// Whether it accepts log messages and questions.
    is_call: bool,
    /// The task that reads the request's stream after its caller has stopped.
    stream: Option<Aborting>,
}

/// The receivers of a connection, for its transport and its session.
pub(super) struct Ends {
    pub(super) outgoing: mpsc::Receiver<Message>,
    pub(super) abandoned: mpsc::Receiver<(Instant, i64)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No critical section panics half-way, so a poisoned value is still consistent.
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

    /// Registers a request under a new id. If the session is retiring or has ended, the outcome is set
    /// immediately, and the request must not be sent.
    pub(super) fn register(&self, inbox: &Arc<Inbox>, is_call: bool) -> i64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut requests = lock(&self.requests);
        // Checked under the lock, so that no request is added after the end.
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

    /// Attaches the task that reads the request's stream. It ends with the request.
    pub(super) fn attach(&self, id: i64, stream: Aborting) {
        if let Some(waiting) = lock(&self.requests).get_mut(&id) {
            waiting.stream = Some(stream);
        }
    }

    /// Whether a request still waits for its outcome.
    pub(super) fn is_waiting(&self, id: i64) -> bool {
        lock(&self.requests).contains_key(&id)
    }

    /// Ends a request without a response from the upstream.
    pub(super) fn fail(&self, id: i64, failure: Failure) {
        self.settle(id, Err(failure), Some(id));
    }

    fn settle(&self, id: i64, outcome: Result<String, Failure>, origin: Option<i64>) {
        let waiting = self.take(id);
        // The id is unknown if the response arrives too late.
        let Some(Waiting { inbox, stream, .. }) = waiting else { return };
        if let Some(inbox) = inbox {
            inbox.finish(outcome);
        }
        if let Some(stream) = stream
            && origin == Some(id)
        {
            // This code runs in that task, which must not abort itself.
            stream.detach();
        }
    }

    /// Records that a request was abandoned. If it lingers, it is cancelled after a while unless its
    /// response arrives before; otherwise it is removed immediately, which closes its stream. Returns
    /// whether the request continues.
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

    /// Removes a request. A retiring session ends with its last request.
    fn take(&self, id: i64) -> Option<Waiting> {
        let mut requests = lock(&self.requests);
        let waiting = requests.remove(&id);
        if requests.is_empty() && self.closing() == Closing::Retiring {
            self.close(Closing::Gone);
        }
        waiting
    }

    /// Accepts no more requests, and ends the session when the open ones have their outcomes.
    pub(super) fn retire(&self) {
        // Under the lock, so that no request is added in between.
        let requests = lock(&self.requests);
        self.close(if requests.is_empty() { Closing::Gone } else { Closing::Retiring });
    }

    /// Cancels abandoned requests that still have no response after [`LINGER`].
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

    /// Whether a caller has ever received a response.
    pub(super) fn was_good(&self) -> bool {
        self.was_good.load(Ordering::Relaxed)
    }

    /// Records that the connection works.
    pub(super) fn is_good(&self) {
        self.was_good.store(true, Ordering::Relaxed);
    }

    /// Ends the session. A later call can only make it end faster.
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

    /// Whether the session accepts no more requests.
    pub(super) fn is_closing(&self) -> bool {
        self.closing() != Closing::Open
    }

    /// Handles an upstream that reads no more input. The unsent requests are repeated in another
    /// session, and the open ones may finish.
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

    /// Waits until the session ends in this way or a faster one.
    pub(super) async fn closes(&self, how: Closing) {
        let mut closing = self.closing.subscribe();
        // Cannot fail: `self` owns the sender.
        let _ = closing.wait_for(|closing| *closing >= how).await;
    }

    /// Fails all open requests and all later ones. Only the first cause counts.
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

    /// Handles a text from a stream that all calls share. Never waits.
    pub(super) fn receive(&self, text: &str) {
        for incoming in Incoming::read(text) {
            self.route(incoming, None);
        }
    }

    /// Handles a text from the stream of the request `id`. Waits if that request's caller is slow.
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
                // Errors of the transport may have any id.
                let of_stream = origin.filter(|_| !matches!(outcome, Outcome::Result(_)));
                let Some(id) = id.or(of_stream) else {
                    tracing::debug!(upstream = %self.upstream, "a response has no usable id");
                    return;
                };
                let outcome = match outcome {
                    Outcome::Result(result) => Ok(result.get().to_owned()),
                    Outcome::Error(error) => Err(Failure::Rpc(message::error(error.get()))),
                    Outcome::Nothing => {
                        Err(Failure::failed("its response has neither a result nor an error"))
                    }
                    Outcome::Invalid => Err(Failure::failed("its response is not valid JSON")),
                };
                self.settle(id, outcome, origin);
            }
            Incoming::Request { id, method, params } => self.question(id, &method, params, origin),
            Incoming::Notification { method, params } => {
                if self.notice(&method, params, origin).is_none() {
                    tracing::trace!(upstream = %self.upstream, method = shown(&method), "a notification was ignored");
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
            // Many servers ask for roots when a session opens. They would keep an empty list, but
            // after a refusal they ask again during a call.
            let error =
                RpcError::new(ErrorCode::INVALID_REQUEST, "There is no call whose client could be asked");
            return self.questions.refuse(id, error);
        };
        if let Some(ask) = self.questions.ask(call, id, method, params) {
            inbox.offer(Event::Ask(ask));
        }
    }

    /// Returns the call that a question belongs to: the one whose stream carried it, or the latest
    /// call if all calls share a stream.
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

    /// Returns the calls that a log message may belong to.
    fn listeners(&self, origin: Option<i64>) -> Vec<Arc<Inbox>> {
        let requests = lock(&self.requests);
        let calls =
            requests.iter().filter(|(id, waiting)| waiting.is_call && origin.is_none_or(|it| it == **id));
        calls.filter_map(|(_, waiting)| waiting.inbox.clone()).collect()
    }
}
