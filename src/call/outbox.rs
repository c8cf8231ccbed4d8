//! Carries notifications from a tool to its reply.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::sse;

/// How many bytes may wait for a slow reader before the tool has to.
const CAPACITY: usize = 64 * 1024;

/// How long notifications may be gathered before they are let out. A tool that
/// reports in a tight loop does not pay for a packet each time; one that works
/// between its reports is seen to.
const GATHER: Duration = Duration::from_millis(5);

/// Bounded: holds up to [`CAPACITY`] bytes and one message more for each task
/// that sends.
pub(crate) struct Outbox(Mutex<OutboxState>);

struct OutboxState {
    /// Complete events.
    events: Vec<u8>,
    fate: Fate,
    /// Who turns events into the reply's frames.
    reader: Option<Waker>,
    /// Who waits for room, or to be let out.
    writers: Vec<Waker>,
    /// When the reply was last seen to leave, and how often it has.
    let_out: Option<Instant>,
    times_let_out: u64,
    /// A tool waits to be let out.
    wants_out: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Events go to the reply.
    Sent,
    /// The client takes no stream: events are counted.
    Dropped { events: u64 },
    /// The reply is complete, or nobody reads it any more.
    Closed,
}

/// What was in an outbox when it was closed.
#[derive(Default)]
pub(crate) struct Leftovers {
    pub(crate) events: Vec<u8>,
    /// How many events were dropped for want of a stream.
    pub(crate) dropped: u64,
}

impl Outbox {
    /// An outbox whose events go to a stream, or are dropped and counted.
    pub(crate) fn new(takes_stream: bool) -> Self {
        let fate = if takes_stream { Fate::Sent } else { Fate::Dropped { events: 0 } };
        Self(Mutex::new(OutboxState {
            events: Vec::new(),
            fate,
            reader: None,
            writers: Vec::new(),
            let_out: None,
            times_let_out: 0,
            wants_out: false,
        }))
    }

    /// Whether what is sent gets anywhere.
    #[cfg(feature = "ask")]
    pub(crate) fn is_open(&self) -> bool {
        self.lock().fate == Fate::Sent
    }

    /// Sends the message that `write` puts into the buffer; waits while the
    /// reader is slow. After the end of the reply it does nothing.
    pub(crate) async fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut write = Some(write);
        let goal = poll_fn(|cx| self.poll_send(cx, &mut write)).await;
        if let Some(goal) = goal {
            poll_fn(|cx| self.poll_let_out(cx, goal)).await;
        }
    }

    /// Ready when the message is in; tells how often the reply must have been let
    /// out before the tool goes on, if it must.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        write: &mut Option<impl FnOnce(&mut Vec<u8>)>,
    ) -> Poll<Option<u64>> {
        let mut state = self.lock();
        match &mut state.fate {
            Fate::Closed => return Poll::Ready(None),
            Fate::Dropped { events } => {
                *events += 1;
                return Poll::Ready(None);
            }
            Fate::Sent => {}
        }
        if state.events.len() >= CAPACITY {
            state.wait(cx);
            return Poll::Pending;
        }
        let before = state.events.len();
        if let Some(write) = write.take() {
            sse::event(&mut state.events, write);
        }
        if state.events.len() == before {
            return Poll::Ready(None);
        }
        let goal = if state.let_out.is_some_and(|last| last.elapsed() < GATHER) {
            None
        } else {
            state.wants_out = true;
            Some(state.times_let_out + 1)
        };
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Poll::Ready(goal)
    }

    fn poll_let_out(&self, cx: &mut Context<'_>, goal: u64) -> Poll<()> {
        let mut state = self.lock();
        if state.fate != Fate::Sent || state.times_let_out >= goal {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    /// Whether an event waits; if none does, whoever sends the next one wakes the
    /// caller.
    pub(crate) fn has_events(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.lock();
        if state.events.is_empty() {
            state.reader = Some(cx.waker().clone());
        }
        !state.events.is_empty()
    }

    /// The events that wait, and whether a tool waits for them to be let out.
    /// Without any, whoever sends the next one wakes the caller.
    pub(crate) fn take(&self, cx: &mut Context<'_>) -> (Vec<u8>, bool) {
        let mut state = self.lock();
        let events = std::mem::take(&mut state.events);
        let wants_out = std::mem::take(&mut state.wants_out);
        let writers = if events.is_empty() {
            state.reader = Some(cx.waker().clone());
            Vec::new()
        } else {
            std::mem::take(&mut state.writers)
        };
        drop(state);
        wake(writers);
        (events, wants_out)
    }

    /// Says that what was taken is on its way to the client.
    pub(crate) fn was_let_out(&self) {
        let mut state = self.lock();
        state.times_let_out += 1;
        state.let_out = Some(Instant::now());
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        wake(writers);
    }

    /// Ends it: later messages vanish, and nobody waits any longer.
    pub(crate) fn close(&self) -> Leftovers {
        let mut state = self.lock();
        let dropped = match std::mem::replace(&mut state.fate, Fate::Closed) {
            Fate::Dropped { events } => events,
            Fate::Sent | Fate::Closed => 0,
        };
        let events = std::mem::take(&mut state.events);
        let reader = state.reader.take();
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        drop(reader);
        wake(writers);
        Leftovers { events, dropped }
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        // Nothing in here panics half-way, so the state is whole even if poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboxState {
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.writers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.writers.push(cx.waker().clone());
        }
    }
}

/// Wakes tasks; never under the lock, for a waker may run what takes it.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
