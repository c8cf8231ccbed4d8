//! A call in flight that becomes a task.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;

use super::call::{CallOrigin, PendingCall};
use super::message::SingleReply;
use crate::call::{CallKind, Exchange, GuardedCall, MAX_NAME, Output, TaskMode, WriteResult};
use crate::jsonrpc::RpcError;
use crate::observe::line;
use crate::protocol::error;
use crate::settings::Settings;
use crate::task::{NoTask, SeedParts, TaskSeed};

/// What happens to a call before it is polled.
pub(super) enum AtStart {
    /// It is polled.
    Call,
    /// It is a task from its start, and must not be polled before that is in the store.
    Task(Box<TaskSeed>),
    /// It must be a task, and cannot.
    Refused(RpcError),
}

impl AtStart {
    #[inline]
    pub(super) fn of<T: Output>(
        call: &GuardedCall<T>,
        exchange: Option<&Exchange>,
        origin: CallOrigin<'_>,
        head: &Parts,
        settings: &Settings,
    ) -> Self {
        if call.task_policy().starts_as_task() {
            of_task(call, exchange, origin, head, settings)
        } else {
            Self::Call
        }
    }
}

#[cold]
fn of_task<T: Output>(
    call: &GuardedCall<T>,
    exchange: Option<&Exchange>,
    origin: CallOrigin<'_>,
    head: &Parts,
    settings: &Settings,
) -> AtStart {
    if let Some(seed) = seed(call, exchange, origin, head, settings) {
        return AtStart::Task(seed);
    }
    if T::KIND != CallKind::Tool || call.task_policy().mode != TaskMode::Required {
        return AtStart::Call;
    }
    let request = origin.request;
    let missing = error::require_tasks(request.era(), request.params.meta.client_capabilities).err();
    AtStart::Refused(missing.unwrap_or_else(|| {
        let name = &*line(call.name(origin.target), MAX_NAME);
        tracing::error!(name, "a call must run as a task, and the server cannot run tasks");
        RpcError::internal()
    }))
}

fn seed<T: Output>(
    call: &GuardedCall<T>,
    exchange: Option<&Exchange>,
    origin: CallOrigin<'_>,
    head: &Parts,
    settings: &Settings,
) -> Option<Box<TaskSeed>> {
    let CallOrigin { target, arguments, request } = origin;
    // The exchange owns the head.
    let head = exchange.map_or(head, |exchange| &exchange.head);
    let (meta, revision) = (&request.params.meta, request.revision);
    TaskSeed::of(call, &SeedParts { target, arguments, meta, revision, head }, exchange, settings)
}

impl<T: Output + WriteResult> PendingCall<T> {
    /// Notes what is needed in case the call becomes a task. Returns the reply to a call that is
    /// refused.
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
                self.seed = seed(&self.call, self.exchange.as_deref(), origin, head, settings);
                if self.seed.is_none() {
                    self.settle_wish();
                }
            }
            AtStart::Call => {}
        }
        None
    }

    /// Polls what makes a task of a call that is not done yet.
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

    /// Goes on with a call that does not become a task.
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

    /// Tells a handler that wants its call to become a task that it does not.
    fn settle_wish(&self) {
        if let Some(exchange) = &self.exchange {
            exchange.asks.wish.settle(false);
        }
    }
}
