//! A call in flight that becomes a task.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::call::{CallOrigin, PendingCall};
use super::message::SingleReply;
use crate::call::{CallKind, Output, TaskMode, WriteResult};
use crate::jsonrpc::RpcError;
use crate::protocol::error;
use crate::settings::Settings;
use crate::task::{NoTask, SeedParts, TaskSeed};

/// Whether a call is a task from its start.
pub(super) enum AsTask {
    Yes,
    No,
}

impl<T: Output + WriteResult> PendingCall<T> {
    /// Prepares a call that is to be a task from its start. If it can be one, it must not be polled
    /// before. The error is the reply to a call that must be a task and cannot.
    #[cold]
    pub(super) fn start_as_task(
        &mut self,
        origin: CallOrigin<'_>,
        settings: &Settings,
    ) -> Result<AsTask, SingleReply> {
        self.seed = self.seed_of(origin, settings);
        if self.seed.is_some() {
            self.call.keep_name(origin.target);
            self.held = Some(Box::new(self.call.hold()));
            return Ok(AsTask::Yes);
        }
        if T::KIND != CallKind::Tool || self.call.task_policy().mode != TaskMode::Required {
            return Ok(AsTask::No);
        }
        self.call.stop(origin.target);
        let request = origin.request;
        let missing = error::require_tasks(request.era(), request.params.meta.client_capabilities).err();
        let error = missing.unwrap_or_else(|| {
            let name = self.call.name(origin.target);
            tracing::error!(name, "a call must run as a task, and the server cannot run tasks");
            RpcError::internal()
        });
        // It is there until the reply is written.
        let draft = self.draft.take();
        draft.map_or(Ok(AsTask::No), |draft| Err(draft.error(&error)))
    }

    /// Notes what is needed in case the call becomes a task.
    pub(super) fn plant(&mut self, origin: CallOrigin<'_>, settings: &Settings) {
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

    fn seed_of(&self, origin: CallOrigin<'_>, settings: &Settings) -> Option<Box<TaskSeed>> {
        let CallOrigin { target, arguments, request, head } = origin;
        let head = self.exchange.as_ref().map_or(head, |exchange| &exchange.head);
        let (meta, revision) = (&request.params.meta, request.revision);
        TaskSeed::of(&self.call, &SeedParts { target, arguments, meta, revision, head }, settings)
    }

    /// Polls what makes a task of a call that is not done yet.
    #[cold]
    pub(super) fn poll_seed(
        &mut self,
        cx: &mut Context<'_>,
        settings: &Arc<Settings>,
        target: &str,
    ) -> Poll<SingleReply> {
        let (Some(seed), Some(tasks)) = (&mut self.seed, &settings.tasks) else { return Poll::Pending };
        match std::task::ready!(seed.poll(cx, self.exchange.as_deref(), settings)) {
            Ok(nascent) => {
                self.seed = None;
                let Some(draft) = self.draft.take() else { return Poll::Pending };
                self.is_task = true;
                let call = self.held.as_deref_mut().unwrap_or(&mut self.call);
                let created = nascent.run(call, self.exchange.as_ref(), settings, tasks);
                Poll::Ready(draft.output(&created, settings))
            }
            Err(why) => self.go_on(&why, cx, settings, target),
        }
    }

    /// Goes on with a call that does not become a task.
    fn go_on(
        &mut self,
        why: &NoTask,
        cx: &mut Context<'_>,
        settings: &Arc<Settings>,
        target: &str,
    ) -> Poll<SingleReply> {
        let Some(seed) = self.seed.take() else { return Poll::Pending };
        why.log(seed.tool());
        if seed.is_required() {
            let Some(draft) = self.draft.take() else { return Poll::Pending };
            self.held = None;
            let (error, status) = why.to_error();
            return Poll::Ready(draft.later(&error, status));
        }
        if let Some(exchange) = &self.exchange {
            exchange.asks.wish.settle(false);
        }
        if let Some(held) = self.held.take() {
            self.call = *held;
            self.call.begin(self.exchange.as_ref(), Some(settings), target);
        }
        self.poll(cx, settings, target)
    }
}
