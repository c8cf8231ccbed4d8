//! Replies to `tasks/get`, `tasks/update` and `tasks/cancel`.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use http::request::Parts;

use super::draft::Draft;
use super::pending::PendingReply;
use crate::ask;
use crate::call::WriteResult;
use crate::jsonrpc::{Raw, RpcError};
use crate::observe::ObservedRef;
use crate::protocol::error;
use crate::protocol::method::TaskMethod;
use crate::request::{Params, ValidRequest};
use crate::settings::Settings;
use crate::task::{Acknowledged, TaskFault, TaskRequest};

/// Requires that the client declares that it can ask about tasks.
pub(super) fn require(request: &ValidRequest<'_>) -> Result<(), RpcError> {
    error::require_tasks(request.era(), request.params.meta.client_capabilities)
}

/// Starts a request about a task.
pub(super) fn request<'r>(
    method: TaskMethod,
    request: &ValidRequest<'_>,
    head: &Parts,
    draft: Draft,
    observed: ObservedRef<'_, '_>,
    settings: &'r Arc<Settings>,
) -> PendingReply<'r> {
    let params = request.params.rare_params();
    let id = params.task_id.and_then(Raw::string);
    let id = id.ok_or_else(|| RpcError::invalid_params("`taskId` must be a string"));
    let id = match require(request).and(id) {
        Ok(id) => id,
        Err(error) => return PendingReply::ready(draft.error(&error), observed),
    };
    let task = TaskRequest::new(&id, head, settings);
    match method {
        TaskMethod::Get => later(draft, observed, settings, async move { task.get().await }),
        TaskMethod::Update => {
            let missing = || RpcError::invalid_params("`inputResponses` must be an object");
            let answers = Params::present(params.input_responses).ok_or_else(missing);
            match answers.and_then(ask::read_answers) {
                Ok(answers) => later(draft, observed, settings, async move {
                    task.update(answers).await.map(|()| Acknowledged)
                }),
                Err(error) => PendingReply::ready(draft.error(&error), observed),
            }
        }
        TaskMethod::Cancel => {
            later(draft, observed, settings, async move { task.cancel().await.map(|()| Acknowledged) })
        }
    }
}

/// Writes the result of a step in the store.
fn later<'r>(
    draft: Draft,
    observed: ObservedRef<'_, '_>,
    settings: &'r Arc<Settings>,
    step: impl Future<Output = Result<impl WriteResult, TaskFault>> + Send + 'r,
) -> PendingReply<'r> {
    let mut observed = observed.take();
    PendingReply::Later(Box::pin(async move {
        let mut step = pin!(step);
        let reply = match poll_fn(|cx| observed.in_span(|| step.as_mut().poll(cx))).await {
            Ok(result) => draft.output(&result, settings),
            Err(fault) => draft.task_fault(&fault),
        };
        observed.note(reply.end());
        reply.into()
    }))
}
