//! Carries notifications from a tool to its reply.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::sse;

/// How many bytes may be buffered for a slow reader before the tool has to wait.
const CAPACITY: usize = 64 * 1024;

/// How long after the start of the call, or after the last flush, a tool may continue without waiting
/// for a flush of what it sends. Whatever was sent goes out as soon as the tool waits for something
/// else. So a tool that reports in a tight loop does not cause a packet for each report, and the
/// reports of a tool that works in between are not delayed.
const GATHER: Duration = Duration::from_millis(5);

/// The capacity that the first event reserves, in bytes: enough for several, and a small result.
const ROOM: usize = 1024;

/// A bounded buffer of events between a tool and its reply. It holds up to [`CAPACITY`] bytes, and
/// one more message for each task that sends.
pub(crate) struct Outbox(Mutex<OutboxState>);

struct OutboxState {
    /// Complete server-sent events.
    events: Vec<u8>,
    fate: Fate,
    /// The reply, which turns events into frames.
    reader: Option<Waker>,
    /// Tasks that wait for capacity, or for a flush.
    writers: Vec<Waker>,
    /// The time of the start or of the last flush, and the number of flushes.
    let_out: Instant,
    times_let_out: u64,
    /// The next events are to be flushed before the tool continues.
    wants_out: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Events are sent with the reply.
    Sent,
    /// The client does not accept a stream: events are dropped and counted.
    Dropped { events: u64 },
    /// There is no reply: a test keeps all events.
    #[cfg(feature = "test-util")]
    Kept,
    /// The reply is complete, or was dropped.
    Closed,
}

/// The contents of an outbox when it was closed.
#[derive(Default)]
pub(crate) struct Leftovers {
    pub(crate) events: Vec<u8>,
    /// How many events were dropped because the client does not accept a stream.
    pub(crate) dropped: u64,
}

impl Outbox {
    /// Creates an outbox that sends events to a stream, or drops and counts them.
    pub(crate) fn new(takes_stream: bool) -> Self {
        let fate = if takes_stream { Fate::Sent } else { Fate::Dropped { events: 0 } };
        Self(Mutex::new(OutboxState {
            events: Vec::new(),
            fate,
            reader: None,
            writers: Vec::new(),
            let_out: Instant::now(),
            times_let_out: 0,
            wants_out: false,
        }))
    }

    /// Creates an outbox without a reply, which keeps all events.
    #[cfg(feature = "test-util")]
    pub(crate) fn keeping() -> Self {
        let outbox = Self::new(true);
        outbox.lock().fate = Fate::Kept;
        outbox
    }

    /// Returns the events that an outbox of [`keeping`](Self::keeping) has so far.
    #[cfg(feature = "test-util")]
    pub(crate) fn kept(&self) -> Vec<u8> {
        self.lock().events.clone()
    }

    /// Returns whether events still have an effect.
    #[cfg(feature = "ask")]
    pub(crate) fn is_open(&self) -> bool {
        self.lock().fate == Fate::Sent
    }

    /// Sends the message that `write` appends to the buffer. Waits while the reader is slow. Does
    /// nothing after the end of the reply.
    pub(crate) async fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut write = Some(write);
        let goal = poll_fn(|cx| self.poll_send(cx, &mut write)).await;
        if let Some(goal) = goal {
            poll_fn(|cx| self.poll_let_out(cx, goal)).await;
        }
    }

    /// Polls until the message is in the buffer. If the tool must then wait for a flush, returns
    /// the number of that flush.
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
            #[cfg(feature = "test-util")]
            Fate::Kept => {
                if let Some(write) = write.take() {
                    sse::event(&mut state.events, write);
                }
                return Poll::Ready(None);
            }
            Fate::Sent => {}
        }
        if state.events.len() >= CAPACITY {
            state.wait(cx);
            return Poll::Pending;
        }
        let before = state.events.len();
        if before == 0 {
            state.events.reserve(ROOM);
        }
        if let Some(write) = write.take() {
            sse::event(&mut state.events, write);
        }
        if state.events.len() == before {
            return Poll::Ready(None);
        }
        let goal = if state.let_out.elapsed() < GATHER {
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

    /// Returns whether there are events for a stream to start with, which it then flushes before
    /// the tool continues. If not, the next one wakes the task of `cx`.
    pub(crate) fn starts_stream(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.lock();
        state.wants_out = !state.events.is_empty();
        if !state.wants_out {
            state.reader = Some(cx.waker().clone());
        }
        state.wants_out
    }

    /// Takes the events, and returns whether a tool waits for a flush. If there are no events, the
    /// next one wakes the task of `cx`.
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

    /// Records a flush: the events that were taken are on their way to the client.
    pub(crate) fn was_let_out(&self) {
        let mut state = self.lock();
        state.times_let_out += 1;
        state.let_out = Instant::now();
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        wake(writers);
    }

    /// Closes the outbox and wakes all tasks that wait. Later messages are discarded.
    pub(crate) fn close(&self) -> Leftovers {
        let mut state = self.lock();
        let dropped = match std::mem::replace(&mut state.fate, Fate::Closed) {
            Fate::Dropped { events } => events,
            _ => 0,
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
        // No update of the state can panic halfway, so it is consistent even if poisoned.
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

/// Wakes tasks. Must not be called under the lock, because a waker may run code that takes it.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
