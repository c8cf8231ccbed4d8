//! Replies to `tasks/get`, `tasks/update` and `tasks/cancel`.

use std::sync::Arc;

use http::request::Parts;

use super::draft::Draft;
use super::message::SingleReply;
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

/// Requires that the client declares that it supports tasks.
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
        TaskMethod::Get => {
            PendingReply::later(async move { write(draft, task.get().await, settings) }, observed)
        }
        TaskMethod::Update => {
            let missing = || RpcError::invalid_params("`inputResponses` must be an object");
            let answers = Params::present(params.input_responses).ok_or_else(missing);
            let answers = match answers.and_then(ask::read_answers) {
                Ok(answers) => answers,
                Err(error) => return PendingReply::ready(draft.error(&error), observed),
            };
            let update = async move {
                let updated = task.update(answers).await;
                write(draft, updated.map(|()| Acknowledged), settings)
            };
            PendingReply::later(update, observed)
        }
        TaskMethod::Cancel => {
            let cancel = async move {
                let cancelled = task.cancel().await;
                write(draft, cancelled.map(|()| Acknowledged), settings)
            };
            PendingReply::later(cancel, observed)
        }
    }
}

fn write(draft: Draft, result: Result<impl WriteResult, TaskFault>, settings: &Settings) -> SingleReply {
    match result {
        Ok(result) => draft.output(&result, settings),
        Err(fault) => draft.task_fault(&fault),
    }
}
