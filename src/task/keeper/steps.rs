//! The steps of a keeper in the store.

use std::time::Duration;

use tokio::time::Instant;

use super::{Keeper, RETRY};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::{TaskEnd, error_line};
use crate::task::config::{TaskSettings, log_unavailable};
use crate::task::data::error_json;
use crate::task::seal::{Part, open, seal};
use crate::task::work::Ended;
use crate::task::{TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStoreError};

/// The time after which a step is repeated if the store had no room.
const WHEN_FULL: Duration = Duration::from_secs(30);

/// Why a step was not taken.
enum Trouble {
    /// The task no longer belongs to this keeper.
    Gone(&'static str),
    /// The store has no room for it.
    Full,
    /// The store is not available.
    Later,
}

impl Keeper {
    pub(super) async fn store_report(&mut self, tasks: &TaskSettings) -> Result<(), &'static str> {
        self.store_at = None;
        self.stored_at = Instant::now();
        match self.advance(TaskState::Running, tasks).await {
            Ok(()) => Ok(()),
            Err(Trouble::Gone(why)) => Err(why),
            Err(Trouble::Later) => {
                self.store_at = Some(Instant::now() + RETRY);
                Ok(())
            }
            Err(Trouble::Full) => {
                tracing::error!(
                    tool = self.data.tool,
                    "the task store has no room for the progress of a task"
                );
                self.store_at = Some(Instant::now() + WHEN_FULL);
                Ok(())
            }
        }
    }

    pub(super) async fn renew(&mut self, tasks: &TaskSettings) -> Result<(), &'static str> {
        self.renew_at = Instant::now() + tasks.lease / 3;
        let (id, token) = (self.record.id.clone(), self.record.token);
        match tasks.step(|store| store.renew(&id, token, tasks.lease)).await {
            Ok(record) => self.absorb(record, tasks).await,
            Err(error @ TaskStoreError::Unavailable(_)) => {
                log_unavailable(&error);
                self.renew_at = Instant::now() + RETRY.min(tasks.lease / 3);
                Ok(())
            }
            Err(error) => Err(gone(&error)),
        }
    }

    /// Takes over the record of the store, and delivers the answers that have arrived.
    async fn absorb(&mut self, record: TaskRecord, tasks: &TaskSettings) -> Result<(), &'static str> {
        // Compares with the questions that the handler waits for, because this process may not know that a
        // question has reached the store. If one has not, the store is read for nothing.
        let is_answered = self.link.open().iter().any(|number| !record.open.contains(number));
        if is_answered {
            let answers = match tasks.step(|store| store.answers(&record.id)).await {
                Ok(answers) => answers,
                Err(error @ TaskStoreError::Unavailable(_)) => {
                    log_unavailable(&error);
                    self.renew_at = Instant::now() + RETRY;
                    return Ok(());
                }
                Err(error) => return Err(gone(&error)),
            };
            for answer in answers {
                let TaskAnswer { question, answer } = answer;
                let opened = open(Part::Answer(question), &record.id, record.owner, &answer, &self.settings);
                if let Some(json) = opened {
                    self.link.fill(question, json);
                } else {
                    tracing::error!("an answer to a task could not be opened");
                }
            }
        }
        self.record = record;
        Ok(())
    }

    /// Moves the task on in the store.
    async fn advance(&mut self, state: TaskState, tasks: &TaskSettings) -> Result<(), Trouble> {
        loop {
            let mut open = Vec::new();
            if !state.is_final() {
                let report = self.link.report();
                open = report.open;
                self.data.questions = report.questions;
                self.data.status = report.status.or(self.data.status.take());
            }
            let TaskRecord { id, owner, version, token, .. } = &self.record;
            let Some(data) = seal(Part::Data, id, *owner, &self.data, &self.settings) else {
                return Err(Trouble::Later);
            };
            let (id, version, token) = (id.clone(), *version, Some(*token));
            let step = TaskStep { version, token, state, data, open, keep: None };
            match tasks.step(|store| store.advance(&id, step)).await {
                Ok(record) => {
                    tasks.publish(&record);
                    return self.absorb(record, tasks).await.map_err(Trouble::Gone);
                }
                // An earlier attempt has succeeded: no one else has this token.
                Err(TaskStoreError::Conflict(now))
                    if state.is_final() && now.state == state && now.token == self.record.token =>
                {
                    return Ok(());
                }
                // Answers have come meanwhile.
                Err(TaskStoreError::Conflict(now))
                    if !now.state.is_final() && now.token == self.record.token =>
                {
                    let version = self.record.version;
                    self.absorb(*now, tasks).await.map_err(Trouble::Gone)?;
                    if self.record.version == version {
                        return Err(Trouble::Later);
                    }
                }
                Err(TaskStoreError::Full) => return Err(Trouble::Full),
                Err(error @ TaskStoreError::Unavailable(_)) => {
                    log_unavailable(&error);
                    return Err(Trouble::Later);
                }
                Err(error) => return Err(Trouble::Gone(gone(&error))),
            }
        }
    }

    /// Stores the end of the task. Tries until it is stored, or the task is gone.
    pub(super) async fn end(mut self, ended: Ended, tasks: &TaskSettings) {
        self.link.close();
        let mut state = self.set_outcome(ended);
        let mut pause = RETRY / 10;
        loop {
            match self.advance(state, tasks).await {
                Ok(()) => {
                    let is_result = state == TaskState::Completed;
                    self.observed.note(if is_result { TaskEnd::Completed } else { TaskEnd::Failed });
                    return;
                }
                Err(Trouble::Gone(why)) => {
                    tracing::debug!(tool = self.data.tool, why, "the end of a task was not stored");
                    return;
                }
                Err(Trouble::Full) if state == TaskState::Completed => {
                    tracing::error!(tool = self.data.tool, "the task store has no room for a result");
                    let message = "The result is larger than the server can store";
                    state = self.set_outcome(Ended::Error(RpcError::new(ErrorCode::INTERNAL_ERROR, message)));
                }
                Err(Trouble::Full | Trouble::Later)
                    if self.settings.drain.gives_up() || self.ends_at <= Instant::now() =>
                {
                    tracing::error!(tool = self.data.tool, "the end of a task could not be stored");
                    return;
                }
                Err(Trouble::Full | Trouble::Later) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY);
                }
            }
        }
    }

    fn set_outcome(&mut self, ended: Ended) -> TaskState {
        self.data.questions = Vec::new();
        self.data.begins_again = false;
        self.data.returned = None;
        match ended {
            Ended::Result(json) => {
                self.data.status = None;
                self.data.outcome = Some(json);
                TaskState::Completed
            }
            Ended::Error(error) => {
                self.data.status = Some(error.message().to_owned());
                self.data.outcome = error_json(&error);
                TaskState::Failed
            }
            // Not an end.
            Ended::Asked(_) | Ended::Answered => TaskState::Running,
        }
    }

    /// Releases the lease, so that any replica can continue the task.
    pub(super) async fn hand_over(mut self, tasks: &TaskSettings) {
        // A run that ends with a handover does not count toward `max_runs`. If this step is lost, it counts.
        if !self.data.begins_again {
            self.data.runs = self.data.runs.saturating_sub(1);
        }
        let _ = self.advance(TaskState::Running, tasks).await;
        let TaskRecord { id, token, .. } = &self.record;
        if let Err(error) = tasks.step(|store| store.release(id, *token)).await {
            let error = error_line(&error);
            tracing::debug!(tool = self.data.tool, error, "the lease of a task was not released");
        }
        self.observed.note(TaskEnd::Released);
        tasks.announce_released();
    }
}

/// Returns why a task no longer belongs to this process.
fn gone(error: &TaskStoreError) -> &'static str {
    match error {
        TaskStoreError::Conflict(now) if now.state == TaskState::Cancelled => "it was cancelled",
        TaskStoreError::NotFound => "it has expired",
        _ => "another replica has taken it up",
    }
}
