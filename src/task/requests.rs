//! `tasks/get`, `tasks/update` and `tasks/cancel`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::request::Parts;
use serde_json::value::RawValue;

use super::config::{TaskSettings, log_unavailable};
use super::data::{TaskData, TaskView};
use super::seal::{Part, TaskNames, open, seal};
use super::{TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStoreError};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::principal::Principal;
use crate::settings::Settings;

/// How often a task may change between reading and cancelling it.
const MOST_TRIES: usize = 32;

/// The longest id that is looked up, in bytes. Those of this crate have 32.
const MAX_ID: usize = 128;

/// A request about a task, which borrows nothing from its body.
pub(crate) struct TaskRequest {
    names: TaskNames,
    settings: Arc<Settings>,
}

/// Why a request about a task fails.
#[derive(Debug)]
pub(crate) enum TaskFault {
    /// The task does not exist, has expired, or belongs to another caller.
    NotFound,
    /// The store is not available.
    Unavailable,
    /// The store has no room.
    Full,
}

impl TaskRequest {
    /// A request about the task with this id, by the caller of `head`.
    pub(crate) fn new(id: &str, head: &Parts, settings: &Arc<Settings>) -> Self {
        // No task has an id that is too long.
        let id = if id.len() > MAX_ID { String::new() } else { id.to_owned() };
        Self { names: TaskNames::of(id, Principal::of(head), settings), settings: Arc::clone(settings) }
    }

    pub(super) fn names(&self) -> &TaskNames {
        &self.names
    }

    fn tasks(&self) -> Result<&TaskSettings, TaskFault> {
        self.settings.tasks.as_ref().ok_or(TaskFault::NotFound)
    }

    /// Reads the task.
    pub(crate) async fn get(&self) -> Result<TaskView, TaskFault> {
        let (record, data) = self.read().await?;
        Ok(TaskView::new(record, data, self.tasks()?.poll_interval))
    }

    /// Stores answers to its questions, by their keys. Answers to unknown and to answered questions are
    /// ignored.
    pub(crate) async fn update(&self, mut answers: BTreeMap<String, Box<RawValue>>) -> Result<(), TaskFault> {
        let tasks = self.tasks()?;
        let (record, data) = self.read().await?;
        let TaskNames { key, owner, .. } = &self.names;
        let mut sealed = Vec::new();
        for &number in &record.open {
            let question = data.questions.get(number as usize);
            let Some(answer) = question.and_then(|question| answers.remove(&question.key)) else { continue };
            let answer = seal(Part::Answer(number), key, *owner, &answer, &self.settings);
            sealed.push(TaskAnswer { question: number, answer: answer.ok_or(TaskFault::Unavailable)? });
        }
        if !sealed.is_empty() {
            let record =
                tasks.step(|store| store.answer(key, sealed)).await.map_err(|error| fault(&error))?;
            tasks.publish(&record);
        }
        Ok(())
    }

    /// Cancels the task, unless it has ended.
    pub(crate) async fn cancel(&self) -> Result<(), TaskFault> {
        let tasks = self.tasks()?;
        let (mut record, mut data) = self.read().await?;
        data.status = Some("Cancelled at the client's request".to_owned());
        data.questions = Vec::new();
        let TaskNames { key, owner, .. } = &self.names;
        for _ in 0..MOST_TRIES {
            if record.state.is_final() {
                return Ok(());
            }
            let sealed = seal(Part::Data, key, *owner, &data, &self.settings);
            let step = TaskStep {
                version: record.version,
                token: None,
                state: TaskState::Cancelled,
                data: sealed.ok_or(TaskFault::Unavailable)?,
                open: Vec::new(),
                keep: None,
            };
            match tasks.step(|store| store.advance(key, step)).await {
                Ok(record) => {
                    tasks.publish(&record);
                    return Ok(());
                }
                Err(TaskStoreError::Conflict(now)) => record = *now,
                Err(error) => return Err(fault(&error)),
            }
        }
        Err(TaskFault::Unavailable)
    }

    /// Reads the task, if it is the caller's.
    async fn read(&self) -> Result<(TaskRecord, TaskData), TaskFault> {
        let TaskNames { key, owner, .. } = &self.names;
        let record = self.tasks()?.step(|store| store.read(key)).await.map_err(|error| fault(&error))?;
        if record.owner != *owner {
            return Err(TaskFault::NotFound);
        }
        let Some(data) = open(Part::Data, key, *owner, &record.data, &self.settings) else {
            tracing::error!("a task cannot be opened: do all replicas have the same `state_keys`?");
            return Err(TaskFault::NotFound);
        };
        Ok((record, data))
    }
}

fn fault(error: &TaskStoreError) -> TaskFault {
    match error {
        TaskStoreError::NotFound => TaskFault::NotFound,
        TaskStoreError::Full => TaskFault::Full,
        error => {
            log_unavailable(error);
            TaskFault::Unavailable
        }
    }
}

impl TaskFault {
    /// Returns the error of the reply.
    pub(crate) fn to_error(&self) -> RpcError {
        let internal = |message: &'static str| RpcError::new(ErrorCode::INTERNAL_ERROR, message);
        match self {
            Self::NotFound => RpcError::invalid_params("Unknown task: it does not exist, or it has expired"),
            Self::Unavailable => internal("Tasks are not available now: try again later"),
            Self::Full => internal("There is no room for more tasks: try again later"),
        }
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::NotFound)
    }
}
