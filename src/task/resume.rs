//! Takes over the tasks of replicas that have died.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;
use serde_json::value::RawValue;

use super::config::{TaskSettings, log_unavailable};
use super::data::{TaskData, error_json};
use super::keeper::Keeper;
use super::saved::SavedCall;
use super::seal::{Part, open, seal, topic};
use super::work::work;
use super::{TakenTask, TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStoreError};
use crate::ask::TaskLink;
use crate::call::MAX_NAME;
use crate::deadline::Deadline;
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::line;
use crate::principal::Principal;
use crate::registry::{Has, Item, Registry};
use crate::request::Refusal;
use crate::settings::Settings;

/// The maximum number of tasks in one search.
const AT_ONCE: usize = 64;
/// The maximum number of remembered tasks that this server cannot open.
const MOST_FOREIGN: usize = 4096;
/// How long the host's choice of a registry may take.
const CHOICE_LIMIT: Duration = Duration::from_secs(10);

/// Takes over tasks until the server shuts down.
pub(crate) async fn run_tasks<C, R, F>(settings: &Arc<Settings>, choose: C)
where
    C: Fn(&mut Parts) -> F,
    F: Future<Output = Result<R, Refusal>>,
    R: Registry,
{
    let Some(tasks) = &settings.tasks else {
        tracing::warn!("there are no tasks to run: the manager has no `tasks` set");
        return;
    };
    let _runner = tasks.runner();
    let mut ending = settings.drain.watch();
    let mut released = tasks.released();
    let mut resumer = Resumer { settings, tasks, choose, foreign: HashSet::new(), was_away: true };
    while !settings.drain.is_closing() {
        if resumer.take_up().await {
            continue;
        }
        let mut pause = Deadline::new(tasks.lease / 3);
        let mut nudged = pin!(tasks.nudge.notified());
        poll_fn(|cx| {
            while let Poll::Ready(Some(_)) = ending.poll_next(cx) {}
            let mut is_released = nudged.as_mut().poll(cx).is_ready();
            while let Poll::Ready(Some(_)) = released.poll_next(cx) {
                is_released = true;
            }
            if settings.drain.is_closing() || is_released {
                return Poll::Ready(());
            }
            pause.poll(cx)
        })
        .await;
    }
}

struct Resumer<'s, C> {
    settings: &'s Arc<Settings>,
    tasks: &'s TaskSettings,
    choose: C,
    /// Tasks of other servers, or that were sealed with other keys.
    foreign: HashSet<String>,
    /// Whether the store was unavailable at the last search. Leases have then expired although their holders
    /// are alive and are about to renew them, so one search is skipped.
    was_away: bool,
}

impl<C, R, F> Resumer<'_, C>
where
    C: Fn(&mut Parts) -> F,
    F: Future<Output = Result<R, Refusal>>,
    R: Registry,
{
    /// Takes over tasks with expired leases. Returns whether there may be more.
    async fn take_up(&mut self) -> bool {
        let tasks = self.tasks;
        // The foreign tasks come first, because their leases expired first.
        let most = AT_ONCE + self.foreign.len();
        let expired = match tasks.step(|store| store.expired(most)).await {
            Ok(_) if std::mem::take(&mut self.was_away) => return false,
            Ok(expired) => expired,
            Err(error) => {
                log_unavailable(&error);
                self.was_away = true;
                return false;
            }
        };
        let (is_full, mut gone) = (expired.len() == most, 0);
        for id in expired {
            if self.settings.drain.is_closing() || self.foreign.contains(&id) {
                continue;
            }
            match self.take(&id).await {
                Ok(is_taken) => gone += usize::from(is_taken),
                // Another replica was faster, or the task has ended.
                Err(TaskStoreError::NotFound | TaskStoreError::Conflict(_) | TaskStoreError::Leased) => {
                    gone += 1;
                }
                Err(error) => log_unavailable(&error),
            }
        }
        is_full && gone > 0
    }

    /// Takes over a task. Returns `false` if it is left to other replicas.
    async fn take(&mut self, id: &str) -> Result<bool, TaskStoreError> {
        let tasks = self.tasks;
        let record = tasks.step(|store| store.read(id)).await?;
        if self.open::<TaskData>(Part::Data, &record, &record.data).is_none() {
            tracing::warn!(
                "a task cannot be opened: it belongs to another server, or was sealed with other keys"
            );
            if self.foreign.len() == MOST_FOREIGN {
                self.foreign.clear();
            }
            self.foreign.insert(id.to_owned());
            return Ok(false);
        }
        let news = tasks.bus.subscribe(&topic(id));
        let TakenTask { record, call } = tasks.step(|store| store.take(id, tasks.lease)).await?;
        // Its former replica may have changed it since it was read.
        let Some(data) = self.open::<TaskData>(Part::Data, &record, &record.data) else { return Ok(false) };
        if !data.is_repeatable && !data.begins_again {
            return self.fail(record, data, cannot_repeat()).await.map(|()| true);
        }
        if data.runs >= tasks.max_runs {
            return self.fail(record, data, too_often(tasks.max_runs)).await.map(|()| true);
        }
        let Some(call) = self.open::<SavedCall>(Part::Call, &record, &call) else {
            return self.fail(record, data, RpcError::internal()).await.map(|()| true);
        };
        let owner = call.principal.as_deref().map(Principal::new);
        let Ok(place) = tasks.places.take(owner.as_ref()) else {
            // Another replica may have a place for it.
            tasks.step(|store| store.release(id, record.token)).await?;
            return Ok(false);
        };
        let answers = tasks.step(|store| store.answers(id)).await?;
        let opened = answers.into_iter().filter_map(|TaskAnswer { question, answer }| {
            Some((question, self.open::<Box<RawValue>>(Part::Answer(question), &record, &answer)?))
        });
        let link = Arc::new(TaskLink::resumed(data.questions.clone(), &record.open, opened.collect()));
        let mut head = call.head();
        let Some(registry) = self.choose(&mut head).await else {
            return self.fail(record, data, RpcError::internal()).await.map(|()| true);
        };
        if registry.has(Item::Tool(&call.target)) == Has::No {
            // It may belong to a newer version of the server, which other replicas run.
            tracing::warn!(
                tool = data.tool,
                "a task is left to other replicas: this server does not have its tool"
            );
            tasks.step(|store| store.release(id, record.token)).await?;
            return Ok(false);
        }
        let (record, data) = self.begin_again(record, data).await?;
        let Some(mut begun) = call.begin(&registry, head, &link, data.returned.clone(), self.settings) else {
            return self.fail(record, data, RpcError::internal()).await.map(|()| true);
        };
        tracing::info!(tool = data.tool, "the call of a task is restarted");
        let limit = self.time_left(&record);
        let work = work(begun.call.take(limit), begun.exchange, self.settings);
        let keeper = Keeper::new(record, data, link, place, news, self.settings, tasks);
        #[cfg(feature = "auth")]
        let keeper = keeper.until(call.token_end());
        keeper.spawn(work);
        Ok(true)
    }

    fn open<T: serde::de::DeserializeOwned>(
        &self,
        part: Part,
        record: &TaskRecord,
        sealed: &[u8],
    ) -> Option<T> {
        open(part, &record.id, record.owner, sealed, self.settings)
    }

    /// Asks the host for the registry of a call; `None` if it refuses the caller, or takes too long.
    async fn choose(&self, head: &mut Parts) -> Option<R> {
        let mut choosing = pin!((self.choose)(head));
        let mut deadline = Deadline::new(CHOICE_LIMIT);
        let chosen = poll_fn(|cx| match choosing.as_mut().poll(cx) {
            Poll::Ready(chosen) => Poll::Ready(Some(chosen)),
            Poll::Pending => deadline.poll(cx).map(|()| None),
        });
        match chosen.await {
            Some(Ok(registry)) => Some(registry),
            Some(Err(refusal)) => {
                let reason = refusal.to_string();
                tracing::warn!(
                    reason = &*line(&reason, MAX_NAME),
                    "the host refused to restart the call of a task"
                );
                None
            }
            None => {
                tracing::error!("choosing the registry of a task took too long");
                None
            }
        }
    }

    /// Records in the store that the call runs again. From here on, a call that has only waited for answers
    /// must not be repeated either, unless its tool allows it.
    async fn begin_again(
        &self,
        record: TaskRecord,
        mut data: TaskData,
    ) -> Result<(TaskRecord, TaskData), TaskStoreError> {
        if !std::mem::take(&mut data.begins_again) {
            data.runs += 1;
        }
        let record = self.advance(record, &data, TaskState::Running).await?;
        Ok((record, data))
    }

    /// Marks a task as failed.
    async fn fail(
        &self,
        record: TaskRecord,
        mut data: TaskData,
        error: RpcError,
    ) -> Result<(), TaskStoreError> {
        tracing::warn!(tool = data.tool, "the task of a replica that has stopped is marked as failed");
        data.status = Some(error.message().to_owned());
        data.outcome = error_json(&error);
        data.questions = Vec::new();
        self.advance(record, &data, TaskState::Failed).await.map(drop)
    }

    /// Advances a task, and leaves its questions open.
    async fn advance(
        &self,
        mut record: TaskRecord,
        data: &TaskData,
        state: TaskState,
    ) -> Result<TaskRecord, TaskStoreError> {
        let sealed = seal(Part::Data, &record.id, record.owner, data, self.settings);
        let data = sealed.ok_or_else(|| TaskStoreError::unavailable("it cannot be sealed"))?;
        loop {
            let TaskRecord { id, version, token, open, .. } = record;
            let step = TaskStep { version, token: Some(token), state, data: data.clone(), open, keep: None };
            match self.tasks.step(|store| store.advance(&id, step)).await {
                Ok(record) => {
                    self.tasks.publish(&record);
                    return Ok(record);
                }
                // An answer has arrived meanwhile. The keeper delivers it.
                Err(TaskStoreError::Conflict(now)) if !now.state.is_final() && now.token == token => {
                    record = *now;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns how long the call may still run. The store's time is derived from the lease.
    fn time_left(&self, record: &TaskRecord) -> Duration {
        let now = record.leased_until.saturating_sub(millis(self.tasks.lease));
        let end = record.expires_at.saturating_sub(millis(self.tasks.keep_for));
        Duration::from_millis(end.saturating_sub(now)).max(Duration::from_secs(1))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn cannot_repeat() -> RpcError {
    let message = "The server that ran this call has stopped, and the call cannot be repeated. It may have taken \
                   effect in part";
    RpcError::new(ErrorCode::INTERNAL_ERROR, message)
}

fn too_often(runs: u32) -> RpcError {
    let message =
        format!("Every server that ran this call has stopped. It is not started again (runs: {runs})");
    RpcError::new(ErrorCode::INTERNAL_ERROR, message)
}
