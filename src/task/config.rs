//! The settings of tasks.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::seal::topic;
use super::{LocalTaskStore, StoreFuture, TaskRecord, TaskStore, TaskStoreError};
use crate::call::chain;
use crate::changes::{ChangeBus, LocalBus, Subscription};
use crate::deadline::Deadline;
use crate::error::ConfigError;
use crate::places::Places;

/// The time limit of one store operation.
const STORE_LIMIT: Duration = Duration::from_secs(10);

/// The topic on which replicas announce that they have released a task.
const RELEASED: &str = "mcp-stateless.tasks.released";

/// Settings for tasks, for [`ManagerBuilder::tasks`](crate::manager::ManagerBuilder::tasks).
///
/// ```
/// use std::time::Duration;
///
/// use mcp_stateless::StatelessSessionManager;
/// use mcp_stateless::task::Tasks;
///
/// let manager = StatelessSessionManager::builder("reports", "1.0.0")
///     .tasks(Tasks::in_process().slow_calls_after(Duration::from_secs(10)))
///     .build()?;
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Tasks {
    store: Arc<dyn TaskStore>,
    bus: Arc<dyn ChangeBus>,
    is_shared: bool,
    slow_after: Option<Duration>,
    time_limit: Duration,
    keep_for: Duration,
    lease: Duration,
    poll_interval: Duration,
    max_runs: u32,
    max_running: usize,
    max_running_per_principal: Option<usize>,
}

impl Tasks {
    /// Stores tasks in this process, in a [`LocalTaskStore`]. They end with the process.
    pub fn in_process() -> Self {
        let store = Arc::new(LocalTaskStore::new());
        Self { is_shared: false, ..Self::shared(store, Arc::new(LocalBus::default())) }
    }

    /// Stores tasks in a store that all replicas share. A replica announces its changes to the others
    /// over `bus`; a lost announcement is noticed within a third of the [`lease`](Self::lease).
    ///
    /// The replicas need the same
    /// [`state_keys`](crate::manager::ManagerBuilder::state_keys), and each has to run
    /// [`run_tasks`](crate::StatelessSessionManager::run_tasks), which takes over the tasks of replicas
    /// that have died.
    pub fn shared(store: Arc<dyn TaskStore>, bus: Arc<dyn ChangeBus>) -> Self {
        Self {
            store,
            bus,
            is_shared: true,
            slow_after: None,
            time_limit: Duration::from_secs(3600),
            keep_for: Duration::from_secs(3600),
            lease: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            max_runs: 5,
            max_running: 1024,
            max_running_per_principal: None,
        }
    }

    /// Turns a call into a task when it has not ended after this time, if its client supports tasks and its
    /// tool's [mode](crate::task::TaskMode) allows it. By default, no call becomes a task only because it is
    /// slow.
    ///
    /// The call is not interrupted or restarted. If a limit of tasks is reached, or if the store is not
    /// available, the client waits for the result.
    pub fn slow_calls_after(mut self, time: Duration) -> Self {
        self.slow_after = Some(time);
        self
    }

    /// Sets the time limit of tasks whose tool does not set its own; an hour by default. It includes
    /// the time in which a task waits for answers. The manager's
    /// [`tool_time_limit`](crate::manager::ManagerBuilder::tool_time_limit) does not apply to tasks,
    /// and neither does [`Tool::time_limit`](crate::Tool::time_limit) with `None`.
    ///
    /// A call that begins again, because its replica has died, has the rest of that time.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how long the result of a task is kept, at least; an hour by default. A task is deleted
    /// this long after its time limit.
    pub fn keep_results_for(mut self, time: Duration) -> Self {
        self.keep_for = time;
        self
    }

    /// Sets the time without a renewal after which a replica counts as dead, and another one takes over
    /// its tasks; 30 s by default, and at least one second. Each running task is renewed three times
    /// during this time.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time.max(Duration::from_secs(1));
        self
    }

    /// Sets how often clients should ask about a task (`pollIntervalMs`); once a second by default.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Sets how many times the call of a task is started at most, when the replicas that run it die; 5
    /// by default, and at least 1. After that the task is marked as failed: a call that kills its
    /// replica each time must not kill all of them.
    pub fn max_runs(mut self, runs: u32) -> Self {
        self.max_runs = runs.max(1);
        self
    }

    /// Sets how many tasks this process runs at the same time; 1024 by default. Callers without a
    /// [`Principal`](crate::Principal) share a second limit of the same size. At the limit, slow
    /// calls do not become tasks, and tools that must run as tasks are refused with 503.
    pub fn max_running(mut self, tasks: usize) -> Self {
        self.max_running = tasks;
        self
    }

    /// Sets how many of these tasks one [`Principal`](crate::Principal) may have; an eighth of
    /// [`max_running`](Self::max_running) by default, and at least one. Beyond it, tools that must run
    /// as tasks are refused with 429.
    pub fn max_running_per_principal(mut self, tasks: usize) -> Self {
        self.max_running_per_principal = Some(tasks);
        self
    }

    /// Builds the settings. Those of `joined` provide the places.
    pub(crate) fn build(
        self,
        has_keys: bool,
        joined: Option<&TaskSettings>,
    ) -> Result<TaskSettings, ConfigError> {
        if self.is_shared && !has_keys {
            return Err(ConfigError::tasks_without_keys());
        }
        let each = self.max_running_per_principal.unwrap_or_else(|| (self.max_running / 8).max(1));
        Ok(TaskSettings {
            store: self.store,
            bus: self.bus,
            slow_after: self.slow_after,
            time_limit: self.time_limit,
            keep_for: self.keep_for,
            lease: self.lease,
            poll_interval: self.poll_interval,
            max_runs: self.max_runs,
            places: joined
                .map_or_else(|| Places::new(self.max_running, each), |joined| joined.places.clone()),
            is_shared: self.is_shared,
            runners: AtomicUsize::new(0),
            has_warned: AtomicBool::new(false),
            nudge: Notify::new(),
        })
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tasks")
            .field("is_shared", &self.is_shared)
            .field("slow_after", &self.slow_after)
            .field("time_limit", &self.time_limit)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// The settings of tasks, fixed when the manager is built.
pub(crate) struct TaskSettings {
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) bus: Arc<dyn ChangeBus>,
    pub(super) slow_after: Option<Duration>,
    pub(super) time_limit: Duration,
    pub(super) keep_for: Duration,
    pub(super) lease: Duration,
    pub(super) poll_interval: Duration,
    pub(super) max_runs: u32,
    pub(super) places: Places,
    /// Whether other replicas can take over tasks.
    pub(super) is_shared: bool,
    /// How often the host runs [`run_tasks`](crate::StatelessSessionManager::run_tasks).
    runners: AtomicUsize,
    /// Whether it was logged that there are tasks and the host does not run it.
    has_warned: AtomicBool,
    /// Notifies the runners that there is a task to take over, even if the bus is unavailable.
    pub(super) nudge: Notify,
}

impl TaskSettings {
    /// Runs a store operation within the time limit.
    pub(super) async fn step<'s, T>(
        &'s self,
        step: impl FnOnce(&'s dyn TaskStore) -> StoreFuture<'s, T>,
    ) -> Result<T, TaskStoreError> {
        let panicked = || TaskStoreError::unavailable("it panicked");
        let store = &*self.store;
        let Ok(mut step) = catch_unwind(AssertUnwindSafe(|| step(store))) else { return Err(panicked()) };
        let mut deadline = Deadline::new(STORE_LIMIT);
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(cx))) {
            Ok(Poll::Ready(outcome)) => Poll::Ready(outcome),
            Ok(Poll::Pending) => deadline
                .poll(cx)
                .map(|()| Err(TaskStoreError::unavailable(format!("no answer within {STORE_LIMIT:?}")))),
            Err(_) => Poll::Ready(Err(panicked())),
        })
        .await
    }

    /// Announces to the other replicas that a task has changed.
    pub(super) fn publish(&self, record: &TaskRecord) {
        self.bus.publish(&topic(&record.id), record.version.to_string().into());
    }

    /// Announces to all replicas that there is a task to take over.
    pub(super) fn announce_released(&self) {
        self.nudge.notify_one();
        self.bus.publish(RELEASED, Bytes::new());
    }

    /// Subscribes to the announcements of [`announce_released`](Self::announce_released).
    pub(super) fn released(&self) -> Subscription {
        self.bus.subscribe(RELEASED)
    }

    /// Returns whether this process takes over tasks.
    pub(super) fn takes_up(&self) -> bool {
        self.runners.load(Ordering::SeqCst) > 0
    }

    /// Records that there is a task. If it can outlive this process, and this process takes over none,
    /// says so once: with no replica that does, tasks of dead replicas are `working` until they expire.
    pub(super) fn note_use(&self) {
        if self.is_shared && !self.takes_up() && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "this process does not run `run_tasks`: tasks of replicas that die wait for one that does"
            );
        }
    }

    /// Counts as taking up tasks until it is dropped.
    pub(super) fn runner(&self) -> Runner<'_> {
        self.runners.fetch_add(1, Ordering::SeqCst);
        Runner(self)
    }
}

/// Logs that a step was not taken, with the reason of the store.
pub(super) fn log_unavailable(error: &TaskStoreError) {
    tracing::warn!(error = chain(error), "the task store is not available");
}

/// Takes up tasks.
pub(super) struct Runner<'s>(&'s TaskSettings);

impl Drop for Runner<'_> {
    fn drop(&mut self) {
        self.0.runners.fetch_sub(1, Ordering::SeqCst);
    }
}
