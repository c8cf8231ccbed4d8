//! The `countdown` tool, which sends an event for each step.

use std::{
    io::Write as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::time::{Sleep, sleep};

use super::{Era, message, result};

pub(in crate::server) struct Countdown {
    /// The start of a progress notification, up to the number.
    notification: Vec<u8>,
    /// The event that ends the stream.
    response: Vec<u8>,
    made: u64,
    from: u64,
    interval: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    done: bool,
}

impl Countdown {
    pub(super) fn new(era: Era, id: &RawValue, token: &RawValue, arguments: &message::Countdown) -> Self {
        let notification = format!(
            r#"data: {{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"total":{},"progress":"#,
            arguments.from
        );
        let mut response = b"data: ".to_vec();
        response.append(&mut result::text(era, id, "done"));
        response.extend_from_slice(b"\n\n");
        Self {
            notification: notification.into_bytes(),
            response,
            made: 0,
            from: arguments.from,
            interval: Duration::from_millis(arguments.interval_ms),
            waiting: None,
            done: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Polls for the events of all steps that are due.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let mut events = Vec::with_capacity(2048);
        while self.made < self.from {
            if self.is_waiting(cx) {
                if events.is_empty() {
                    return Poll::Pending;
                }
                return Poll::Ready(Some(events));
            }
            self.made += 1;
            events.extend_from_slice(&self.notification);
            write!(events, "{}}}}}\n\n", self.made).expect("writing to a vector cannot fail");
        }
        self.done = true;
        events.extend_from_slice(&self.response);
        Poll::Ready(Some(events))
    }

    /// Returns whether the next step is not due yet.
    fn is_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        if self.interval.is_zero() {
            return false;
        }
        let interval = self.interval;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(interval)));
        let pending = waiting.as_mut().poll(cx).is_pending();
        if !pending {
            self.waiting = None;
        }
        pending
    }
}
