//! The queue of one call: events, and then the outcome.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::failure::Failure;
use super::message::{LogMessage, Progress};
use super::question::Ask;

/// The maximum number of queued events, and their maximum size in bytes.
const MOST_EVENTS: usize = 1024;
const MOST_BYTES: usize = 1024 * 1024;

/// A message from an upstream to a running call.
#[derive(Debug)]
pub(super) enum Event {
    Progress(Progress),
    Log(LogMessage),
    Ask(Ask),
}

impl Event {
    fn size(&self) -> usize {
        match self {
            Self::Progress(progress) => progress.message.len(),
            Self::Log(log) => log.logger.len() + log.data.get().len(),
            Self::Ask(_) => 0,
        }
    }
}

/// The next item of a request.
#[derive(Debug)]
pub(super) enum Next {
    Event(Event),
    /// The text of the result, or the failure. This is the last item.
    Outcome(Result<String, Failure>),
}

/// Whether an event was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Taken,
    Dropped,
}

/// The queue between a connection's reader and a call. A reader that other calls share never waits
/// for it.
///
/// There is always room for outcomes and questions: a call has one outcome, and the connection
/// bounds the questions. If the queue is full, progress replaces the latest queued progress, and log
/// messages are dropped.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    outcome: Option<Result<String, Failure>>,
    /// The waker of the call that waits for the next item.
    waiting: Option<Waker>,
    /// Whether the call has been abandoned.
    is_closed: bool,
}

impl State {
    fn is_full(&self, size: usize) -> bool {
        // An empty queue accepts an event of any size.
        !self.events.is_empty() && (self.events.len() >= MOST_EVENTS || self.bytes + size > MOST_BYTES)
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.size();
        self.events.push_back(event);
    }

    /// Replaces the latest queued progress.
    fn replace_progress(&mut self, event: Event) {
        let waiting = self.events.iter_mut().rev().find(|it| matches!(it, Event::Progress(_)));
        match waiting {
            Some(waiting) => {
                self.bytes = (self.bytes + event.size()).saturating_sub(waiting.size());
                *waiting = event;
            }
            // Exceeds the bound by at most one.
            None => self.push(event),
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No critical section panics half-way, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event without waiting.
    pub(super) fn offer(&self, event: Event) -> Offered {
        let mut state = self.lock();
        if state.is_closed {
            return Offered::Dropped;
        }
        match event {
            Event::Log(_) if state.is_full(event.size()) => return Offered::Dropped,
            Event::Progress(_) if state.is_full(event.size()) => state.replace_progress(event),
            event => state.push(event),
        }
        wake(state);
        Offered::Taken
    }

    /// Waits until there is room for another event, or until the call is abandoned.
    pub(super) async fn has_room(&self) {
        loop {
            {
                let state = self.lock();
                if state.is_closed || !state.is_full(0) {
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// Sets the outcome. Only the first call counts.
    pub(super) fn finish(&self, outcome: Result<String, Failure>) {
        let mut state = self.lock();
        state.outcome.get_or_insert(outcome);
        wake(state);
    }

    /// Removes the waker until the next poll.
    pub(super) fn forget_waker(&self) {
        let waiting = self.lock().waiting.take();
        drop(waiting);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Drops all events, including later ones. Dropped questions answer themselves.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let events = std::mem::take(&mut state.events);
        drop(state);
        drop(events);
        self.room.notify_one();
    }

    /// Polls for the next item. Only one task may wait at a time.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        if let Some(event) = state.events.pop_front() {
            state.bytes = state.bytes.saturating_sub(event.size());
            drop(state);
            self.room.notify_one();
            return Poll::Ready(Next::Event(event));
        }
        if let Some(outcome) = state.outcome.take() {
            return Poll::Ready(Next::Outcome(outcome));
        }
        match &mut state.waiting {
            Some(waiting) => waiting.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// Releases the lock and wakes the call.
fn wake(mut state: MutexGuard<'_, State>) {
    let waiting = state.waiting.take();
    drop(state);
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use serde_json::value::RawValue;

    use super::{Event, Inbox, LogMessage, MOST_BYTES, MOST_EVENTS, Next, Offered, Progress};
    use mcp_stateless::protocol::LogLevel;

    fn log(size: usize) -> Event {
        let data = RawValue::from_string(format!("{:?}", "x".repeat(size))).expect("JSON");
        Event::Log(LogMessage { level: LogLevel::Info, logger: "".into(), data: Arc::from(data) })
    }

    fn progress(value: f64) -> Event {
        Event::Progress(Progress { value, total: None, message: String::new() })
    }

    #[tokio::test]
    async fn a_full_inbox_drops_log_messages_and_keeps_the_latest_progress_and_the_outcome() {
        let inbox = Inbox::default();
        inbox.offer(progress(1.0));
        while inbox.offer(log(1)) == Offered::Taken {}
        assert_eq!(inbox.lock().events.len(), MOST_EVENTS);
        for step in 2..1000 {
            assert_eq!(inbox.offer(progress(f64::from(step))), Offered::Taken);
        }
        inbox.finish(Ok("done".to_owned()));
        assert_eq!(inbox.lock().events.len(), MOST_EVENTS);
        assert!(matches!(
            poll_fn(|cx| inbox.poll_next(cx)).await,
            Next::Event(Event::Progress(Progress { value: 999.0, .. }))
        ));
        for _ in 1..MOST_EVENTS {
            assert!(matches!(poll_fn(|cx| inbox.poll_next(cx)).await, Next::Event(Event::Log(_))));
        }
        assert!(matches!(poll_fn(|cx| inbox.poll_next(cx)).await, Next::Outcome(Ok(text)) if text == "done"));
    }

    #[tokio::test]
    async fn large_messages_fill_it_as_many_do() {
        let inbox = Inbox::default();
        assert_eq!(inbox.offer(log(2 * MOST_BYTES)), Offered::Taken);
        assert_eq!(inbox.offer(log(1)), Offered::Dropped);
        let waiting = inbox.has_room();
        tokio::pin!(waiting);
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        poll_fn(|cx| inbox.poll_next(cx)).await;
        waiting.await;
        assert_eq!(inbox.offer(log(1)), Offered::Taken);
    }
}
