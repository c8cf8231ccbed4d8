//! A call in flight that becomes a task.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;

use super::call::PendingCall;
use super::call_origin::{AtStart, CallOrigin};
use super::message::SingleReply;
use crate::call::{Output, WriteResult};
use crate::settings::Settings;
use crate::task::NoTask;

impl<T: Output + WriteResult> PendingCall<T> {
    /// Stores the data that is needed if the call becomes a task. Returns the reply if the call is refused.
    pub(super) fn plant(
        &mut self,
        at_start: AtStart,
        origin: CallOrigin<'_>,
        head: &Parts,
        settings: &Settings,
    ) -> Option<SingleReply> {
        match at_start {
            AtStart::Refused(error) => {
                self.call.stop(origin.target);
                let reply = self.draft.take()?.error(&error);
                self.observed.note(reply.end());
                return Some(reply);
            }
            AtStart::Task(seed) => {
                self.seed = Some(seed);
                self.held = Some(Box::new(self.call.hold()));
            }
            AtStart::Call if settings.has_tasks() => {
                self.seed = origin.seed(&self.call, self.exchange.as_deref(), head, settings);
                if self.seed.is_none() {
                    self.settle_wish();
                }
            }
            AtStart::Call => {}
        }
        None
    }

    /// Polls the creation of a task for a call that is not done yet.
    #[cold]
    pub(super) fn poll_seed(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply> {
        let (Some(seed), Some(tasks)) = (&mut self.seed, &settings.tasks) else { return Poll::Pending };
        match std::task::ready!(seed.poll(cx, self.exchange.as_deref(), settings)) {
            Ok(nascent) => {
                self.seed = None;
                let Some(draft) = self.draft.take() else { return Poll::Pending };
                self.is_task = true;
                let call = self.held.as_deref_mut().unwrap_or(&mut self.call);
                let exchange = self.exchange.as_ref();
                let created = self.observed.in_span(|| nascent.run(call, exchange, settings, tasks));
                let reply = draft.output(&created, settings);
                self.observed.note(reply.end());
                Poll::Ready(reply)
            }
            Err(why) => self.go_on(&why, cx, settings),
        }
    }

    /// Continues a call that could not become a task.
    fn go_on(&mut self, why: &NoTask, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply> {
        let Some(seed) = self.seed.take() else { return Poll::Pending };
        self.observed.in_span(|| why.log(seed.tool()));
        if seed.is_required() {
            let Some(draft) = self.draft.take() else { return Poll::Pending };
            self.held = None;
            let (error, status) = why.to_error();
            let reply = draft.later(&error, status);
            self.observed.note(reply.end());
            return Poll::Ready(reply);
        }
        self.settle_wish();
        if let Some(held) = self.held.take() {
            self.call = *held;
            self.call.begin(self.exchange.as_ref(), Some(settings), "");
        }
        self.poll(cx, settings)
    }

    /// Wakes a handler that waits for its call to become a task: it does not.
    fn settle_wish(&self) {
        if let Some(exchange) = &self.exchange {
            exchange.asks.wish.settle(false);
        }
    }
}
