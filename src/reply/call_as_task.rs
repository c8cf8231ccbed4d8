//! A call in flight that becomes a task.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::call::{CallOrigin, PendingCall, finish};
use super::message::SingleReply;
use super::reply::Reply;
use super::stream::CallInFlight as _;
use crate::call::{CallKind, MAX_NAME, Output, TaskMode, WriteResult};
use crate::jsonrpc::RpcError;
use crate::observe::{RequestEnd, line};
use crate::protocol::error;
use crate::settings::Settings;
use crate::task::{NoTask, SeedParts, TaskSeed};

impl<T: Output + WriteResult> PendingCall<T> {
    /// Begins a call that is to be a task from its start. If it can be one, it is not polled before.
    #[cold]
    pub(super) fn begin_as_task(
        mut self: Box<Self>,
        origin: &CallOrigin<'_>,
        settings: &Arc<Settings>,
        cx: &mut Context<'_>,
    ) -> Result<Reply, Box<Self>> {
        self.call.keep_name(origin.target);
        self.plant(origin, settings);
        if self.seed.is_some() {
            return Err(self);
        }
        if T::KIND == CallKind::Tool && self.call.task_policy().mode == TaskMode::Required {
            return match self.refuse(origin) {
                Some(reply) => Ok(reply.into()),
                None => Err(self),
            };
        }
        self.call.begin(self.exchange.as_ref(), Some(settings), origin.target);
        if let Poll::Ready(reply) = self.poll_call(cx, settings) {
            return Ok(finish(self.close(), reply));
        }
        match self.starts_stream(cx) {
            Some(exchange) => Ok(self.stream(exchange, settings)),
            None => Err(self),
        }
    }

    /// Returns the reply to a call that must be a task and cannot be one.
    fn refuse(&mut self, origin: &CallOrigin<'_>) -> Option<SingleReply> {
        self.call.stop(origin.target);
        let request = origin.request;
        let missing = error::require_tasks(request.era(), request.params.meta.client_capabilities).err();
        let error = missing.unwrap_or_else(|| {
            let name = &*line(self.call.name(origin.target), MAX_NAME);
            tracing::error!(name, "a call must run as a task, and the server cannot run tasks");
            RpcError::internal()
        });
        let reply = self.draft.take()?.error(&error);
        self.observed.note(reply.end());
        Some(reply)
    }

    /// Notes what is needed in case the call becomes a task.
    pub(super) fn plant(&mut self, origin: &CallOrigin<'_>, settings: &Settings) {
        if settings.tasks.is_none() {
            return;
        }
        self.seed = self.seed_of(origin, settings);
        if self.seed.is_none()
            && let Some(exchange) = &self.exchange
        {
            exchange.asks.wish.settle(false);
        }
    }

    fn seed_of(&self, origin: &CallOrigin<'_>, settings: &Settings) -> Option<Box<TaskSeed>> {
        let CallOrigin { target, arguments, request, ref head } = *origin;
        let head = self.exchange.as_ref().map_or(&**head, |exchange| &exchange.head);
        let (meta, revision) = (&request.params.meta, request.revision);
        TaskSeed::of(&self.call, &SeedParts { target, arguments, meta, revision, head }, settings)
    }

    /// Polls a call that may become a task.
    pub(super) fn poll_seed(&mut self, cx: &mut Context<'_>, settings: &Arc<Settings>) -> Poll<SingleReply> {
        let Some(seed) = &self.seed else { return Poll::Pending };
        if !seed.holds_call()
            && let Poll::Ready(reply) = self.poll_call(cx, settings)
        {
            // A task that is being created is deleted again.
            self.seed = None;
            return Poll::Ready(reply);
        }
        let (Some(seed), Some(tasks)) = (&mut self.seed, &settings.tasks) else { return Poll::Pending };
        match std::task::ready!(seed.poll(cx, self.exchange.as_deref(), settings)) {
            Ok(nascent) => {
                self.seed = None;
                let Some(draft) = self.draft.take() else { return Poll::Pending };
                self.is_task = true;
                self.observed.note(RequestEnd::Success);
                let (call, exchange) = (&mut self.call, self.exchange.as_ref());
                let created = self.observed.in_span(|| nascent.run(call, exchange, settings, tasks));
                Poll::Ready(draft.output(&created, settings))
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
            self.call.stop("");
            let (error, status) = why.to_error();
            let reply = draft.later(&error, status);
            self.observed.note(reply.end());
            return Poll::Ready(reply);
        }
        if let Some(exchange) = &self.exchange {
            exchange.asks.wish.settle(false);
        }
        if seed.holds_call() {
            self.call.begin(self.exchange.as_ref(), Some(settings), "");
        }
        self.poll_call(cx, settings)
    }
}
