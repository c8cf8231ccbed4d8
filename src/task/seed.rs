//! A call that may become a task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::config::TaskSettings;
use super::data::{CreatedTask, TaskData, TaskView};
use super::keeper::Keeper;
use super::saved::{KeptCall, SeedParts};
use super::seal::{Part, TaskNames, seal, topic};
use super::work::work;
use super::{NewTask, TaskRecord, TaskStoreError};
use crate::ask::TaskLink;
#[cfg(feature = "auth")]
use crate::auth::{Access, TokenEnd};
use crate::call::{
    CallKind, Exchange, GuardedCall, MAX_NAME, Output, TaskMode, TaskPolicy, WriteResult, chain,
};
use crate::changes::Subscription;
use crate::deadline::Deadline;
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::line;
use crate::places::{Full, Place};
use crate::principal::Principal;
use crate::protocol::error;
use crate::settings::Settings;

/// A call that may become a task, and what it needs then.
pub(crate) struct TaskSeed {
    kept: KeptCall,
    policy: TaskPolicy,
    /// The time limit of the call itself.
    own_limit: Option<Duration>,
    tool: String,
    stage: Stage,
    #[cfg(feature = "auth")]
    token_end: Option<TokenEnd>,
}

enum Stage {
    /// Until the call has taken long enough, or its handler requests it.
    Waiting(Option<Deadline>),
    /// Until the task is in the store.
    Creating { created: oneshot::Receiver<Created>, data: Box<TaskData>, place: Place, news: Subscription },
}

/// The result of the store, and the sender by which the call confirms that it continues as the task. If that
/// is dropped, the call has ended otherwise.
type Created = (Result<TaskRecord, TaskStoreError>, oneshot::Sender<()>);

/// A task that is in the store and does not run yet.
pub(crate) struct NascentTask {
    record: TaskRecord,
    data: TaskData,
    place: Place,
    news: Subscription,
    time_limit: Duration,
    #[cfg(feature = "auth")]
    token_end: Option<TokenEnd>,
}

/// Why a call does not become a task.
#[derive(Debug)]
pub(crate) enum NoTask {
    /// There is no room for it.
    Full(Full),
    Store(TaskStoreError),
    /// It could not be named or sealed, which has been logged.
    Sealing,
}

impl NoTask {
    /// Returns the error for a call that cannot run otherwise, and its HTTP status.
    pub(crate) fn to_error(&self) -> (RpcError, StatusCode) {
        let error = |message| RpcError::new(ErrorCode::INTERNAL_ERROR, message);
        let of_caller = "Too many running tasks of this caller: the server's `max_running_per_principal` setting limits them";
        match self {
            Self::Full(Full::ForPrincipal(_)) => (error(of_caller), StatusCode::TOO_MANY_REQUESTS),
            Self::Full(Full::ForAll(_)) | Self::Store(TaskStoreError::Full) => {
                (error("There is no room for more tasks: try again later"), StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Store(_) | Self::Sealing => {
                (error("Tasks are not available now: try again later"), StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// Logs why a call continues without becoming a task.
    pub(crate) fn log(&self, tool: &str) {
        match self {
            Self::Full(full) => {
                tracing::debug!(tool, reason = full.to_string(), "too many tasks are running");
            }
            Self::Store(error) => {
                tracing::warn!(tool, error = chain(error), "a call could not become a task");
            }
            Self::Sealing => {}
        }
    }
}

impl TaskSeed {
    /// Returns the seed of a call, if it may become a task.
    pub(crate) fn of<T: Output>(
        call: &GuardedCall<T>,
        parts: &SeedParts<'_>,
        exchange: Option<&Exchange>,
        settings: &Settings,
    ) -> Option<Box<Self>> {
        let tasks = settings.tasks.as_ref()?;
        let policy = call.task_policy();
        let declared = parts.meta.client_capabilities;
        // Only a handler with an exchange can wish to become a task.
        let can_become = policy.starts_as_task() || tasks.slow_after.is_some() || exchange.is_some();
        if T::KIND != CallKind::Tool
            || policy.mode == TaskMode::Never
            || !can_become
            || !error::declares_tasks(parts.revision.era(), declared)
            || Handle::try_current().is_err()
        {
            return None;
        }
        Some(Box::new(Self {
            kept: KeptCall::new(parts, exchange),
            policy,
            own_limit: call.own_limit(),
            tool: line(call.name(parts.target), MAX_NAME).into_owned(),
            stage: Stage::Waiting(tasks.slow_after.map(Deadline::new)),
            #[cfg(feature = "auth")]
            token_end: Access::of(parts.head).and_then(Access::end_of_calls),
        }))
    }

    /// Returns the name of the tool, for the log.
    pub(crate) fn tool(&self) -> &str {
        &self.tool
    }

    /// Returns whether the call can only run as a task.
    pub(crate) fn is_required(&self) -> bool {
        self.policy.mode == TaskMode::Required
    }

    /// Polls until the call has become a task, or cannot.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: Option<&Exchange>,
        settings: &Arc<Settings>,
    ) -> Poll<Result<NascentTask, NoTask>> {
        if let Stage::Waiting(slow) = &mut self.stage {
            let is_wanted = self.policy.starts_as_task()
                || exchange.is_some_and(|exchange| exchange.asks.wish.watch(cx))
                || slow.as_mut().is_some_and(|slow| slow.poll(cx).is_ready());
            if !is_wanted {
                return Poll::Pending;
            }
            match self.create(exchange, settings) {
                Ok(stage) => self.stage = stage,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let Stage::Creating { created, .. } = &mut self.stage else { return Poll::Pending };
        let created = ready!(Pin::new(created).poll(cx));
        let Stage::Creating { data, place, mut news, .. } =
            std::mem::replace(&mut self.stage, Stage::Waiting(None))
        else {
            return Poll::Pending;
        };
        let shut_down = || TaskStoreError::unavailable("the runtime shuts down");
        let (created, claim) = created.map_err(|_| NoTask::Store(shut_down()))?;
        let record = created.map_err(NoTask::Store)?;
        if claim.send(()).is_err() {
            let late = TaskStoreError::unavailable("the task was deleted, because its client does not read");
            return Poll::Ready(Err(NoTask::Store(late)));
        }
        // If it connects later, the keeper checks for missed changes. The client does not know the task yet.
        let _ = news.poll_connected(cx);
        Poll::Ready(Ok(NascentTask {
            record,
            data: *data,
            place,
            news,
            time_limit: self.time_limit(settings),
            #[cfg(feature = "auth")]
            token_end: self.token_end.take(),
        }))
    }

    /// Creates the task in the store.
    fn create(&mut self, exchange: Option<&Exchange>, settings: &Arc<Settings>) -> Result<Stage, NoTask> {
        let Some(tasks) = &settings.tasks else { return Err(NoTask::Sealing) };
        let saved = self.kept.save(exchange).ok_or_else(|| {
            tracing::error!("a call could not be stored");
            NoTask::Sealing
        })?;
        let owner = saved.principal.as_deref().map(Principal::new);
        let place = tasks.places.take(owner.as_ref()).map_err(NoTask::Full)?;
        let TaskNames { id, key, owner } = TaskNames::new(owner.as_ref(), settings).ok_or(NoTask::Sealing)?;
        let mut data = Box::new(TaskData::new(id, &self.tool, self.policy.is_repeatable));
        if let Some(exchange) = exchange {
            data.status = exchange.asks.wish.status();
        }
        let task = NewTask {
            call: seal(Part::Call, &key, owner, &saved, settings).ok_or(NoTask::Sealing)?,
            data: seal(Part::Data, &key, owner, &*data, settings).ok_or(NoTask::Sealing)?,
            id: key,
            owner,
            lease: tasks.lease,
            keep: self.time_limit(settings).saturating_add(tasks.keep_for),
        };
        // Subscribes while the task is created, so that neither waits for the other.
        let news = tasks.bus.subscribe(&topic(&task.id));
        let (sender, created) = oneshot::channel();
        // Spawned, so that the task is deleted again if its client disconnects meanwhile.
        tokio::spawn(create(task, sender, Arc::clone(settings)));
        Ok(Stage::Creating { created, data, place, news })
    }

    fn time_limit(&self, settings: &Settings) -> Duration {
        let default = settings.tasks.as_ref().map_or(Duration::ZERO, |tasks| tasks.time_limit);
        self.own_limit.unwrap_or(default)
    }
}

/// Creates a task for a call that waits for it. Deletes the task if the call has ended otherwise, or if it
/// is not known whether the task was created.
async fn create(task: NewTask, waiting: oneshot::Sender<Created>, settings: Arc<Settings>) {
    let Some(tasks) = &settings.tasks else { return };
    let id = task.id.clone();
    let created = tasks.step(|store| store.create(task)).await;
    let is_certain = !matches!(created, Err(TaskStoreError::Unavailable(_)));
    let is_there = created.is_ok();
    let (claim, claimed) = oneshot::channel();
    // If the call has ended, this drops the claim. If the client does not read its stream, the call is not
    // polled and claims nothing, and other replicas must not get the lease of its task.
    let _ = waiting.send((created, claim));
    let is_claimed = async { timeout(tasks.lease / 3, claimed).await.is_ok_and(|claimed| claimed.is_ok()) };
    if (!is_there && is_certain) || (is_there && is_claimed.await) {
        return;
    }
    // Before its lease expires and another replica takes it over.
    let mut pause = Duration::from_millis(100);
    while pause < tasks.lease && tasks.step(|store| store.delete(&id)).await.is_err() {
        tokio::time::sleep(pause).await;
        pause *= 3;
    }
}

impl NascentTask {
    /// Lets the call continue as the task. Returns the task's data for its client.
    pub(crate) fn run<T: Output + WriteResult>(
        self,
        call: &mut GuardedCall<T>,
        exchange: Option<&Arc<Exchange>>,
        settings: &Arc<Settings>,
        tasks: &TaskSettings,
    ) -> CreatedTask {
        let link = Arc::new(TaskLink::default());
        if let Some(exchange) = exchange {
            exchange.asks.become_task(&link);
        }
        let view = TaskView::new(self.record.clone(), self.data.clone(), tasks.poll_interval);
        let work = work(call.take(self.time_limit), exchange.cloned(), settings);
        tracing::debug!(tool = self.data.tool, "a call has become a task");
        tasks.note_use();
        let keeper = Keeper::new(self.record, self.data, link, self.place, self.news, settings, tasks);
        #[cfg(feature = "auth")]
        let keeper = keeper.until(self.token_end);
        keeper.spawn(work);
        CreatedTask(view)
    }
}
