//! The trait of task stores.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

/// A store of tasks. It decides which replica works on each task.
///
/// Replicas share a store, such as one in Redis. A single process uses the
/// [`LocalTaskStore`](crate::task::LocalTaskStore). Each method is one atomic step: other replicas
/// see all of it or nothing. With the feature `test-util`, `testing::task_store::check` tests an
/// implementation against this contract.
///
/// # What a store sees
///
/// Arguments, results, questions and answers are sealed with the server's state keys: the store gets
/// [`Bytes`] that it neither reads nor changes. Only the members of a [`TaskRecord`], which the store
/// needs for its decisions, are plain. Callers appear as digests. The ids in a store are digests of
/// those that clients use, so a reader of the store cannot access its tasks.
///
/// # Time
///
/// A store has one clock, because those of replicas differ: durations go in, and milliseconds since
/// 1970 on the store's clock come out.
///
/// A task exists until [`expires_at`](TaskRecord::expires_at), in any state. After that, every method
/// behaves as if it had never existed, and the store deletes it.
///
/// # States
///
/// A task starts as [`Running`](TaskState::Running). The other states are final: a task in one of them
/// can only be deleted. When a task becomes final, the store also
/// deletes its call and its answers, closes its questions, and ends its lease.
///
/// # Leases
///
/// A replica that works on a task holds its lease, and renews it while it works. An expired lease can
/// be taken by another replica, which gets the next, larger token. From then on, every step of the
/// former holder with its old token fails with [`TaskStoreError::Leased`], so a replica that was
/// presumed dead cannot write. Tokens decide, not time: a late holder may continue until another replica
/// takes the lease.
///
/// # Questions
///
/// A question of a task has a number. It is open from the step that [names it](TaskStep::open) until
/// it has an answer, or until a later step no longer names it. An answer is stored if its question is
/// open, and ignored otherwise, so each question gets at most one. A question with an answer never
/// opens again.
///
/// # Errors
///
/// Every method may fail with [`TaskStoreError::Unavailable`]. The step may or may not have happened;
/// the caller finds out by reading. A store should fail after a few seconds instead of waiting.
pub trait TaskStore: Send + Sync + 'static {
    /// Creates a task, with version 1, token 1 and a lease for its creator. When the future completes,
    /// every replica can find the task, and it is as durable as the store promises.
    ///
    /// # Errors
    /// [`Full`](TaskStoreError::Full) if there is no room for it, in total or for its owner;
    /// [`Conflict`](TaskStoreError::Conflict) if there is a task with this id.
    fn create(&self, task: NewTask) -> StoreFuture<'_, TaskRecord>;

    /// Reads a task.
    ///
    /// # Errors
    /// [`NotFound`](TaskStoreError::NotFound).
    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord>;

    /// Changes a task by compare-and-set, and adds 1 to its version. Returns the changed task.
    ///
    /// # Errors
    /// In this order: [`NotFound`](TaskStoreError::NotFound); [`Conflict`](TaskStoreError::Conflict)
    /// if the task is in a final state; [`Leased`](TaskStoreError::Leased) if the step has a token and
    /// the task has another one; `Conflict` if the task has another version than the step expects;
    /// [`Full`](TaskStoreError::Full) if there is no room for the larger task.
    fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord>;

    /// Stores those of `answers` whose questions are open, and closes these questions. Adds 1 to the
    /// version if there were any. Returns the changed task. A task in a final state has no open
    /// questions.
    ///
    /// # Errors
    /// [`NotFound`](TaskStoreError::NotFound); [`Full`](TaskStoreError::Full), in which case nothing
    /// is stored.
    fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord>;

    /// Returns the answers of a task, in the order of their questions; none if its state is final.
    ///
    /// # Errors
    /// [`NotFound`](TaskStoreError::NotFound).
    fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>>;

    /// Returns the ids of running tasks with expired leases, at most `most`, ordered by the times at
    /// which their leases expired. Another replica may take them before the caller does.
    fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>>;

    /// Takes an expired lease for the duration `lease` from now, and adds 1 to the token. The version
    /// does not change.
    ///
    /// # Errors
    /// [`NotFound`](TaskStoreError::NotFound); [`Conflict`](TaskStoreError::Conflict) if the task is
    /// in a final state; [`Leased`](TaskStoreError::Leased) if its lease has not expired.
    fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask>;

    /// Renews the lease with this token for the duration `lease` from now. The version does not change.
    /// Returns the task, so that the holder learns of new answers even if their announcement was lost.
    ///
    /// # Errors
    /// [`NotFound`](TaskStoreError::NotFound); [`Conflict`](TaskStoreError::Conflict) if the task is
    /// in a final state; [`Leased`](TaskStoreError::Leased) if the task has another token.
    fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord>;

    /// Expires the lease with this token, so that another replica can take it immediately. The version
    /// and the token do not change.
    ///
    /// # Errors
    /// Those of [`renew`](Self::renew).
    fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()>;

    /// Deletes a task in any state. Does nothing if there is none.
    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()>;
}

/// The future of a method of a [`TaskStore`].
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TaskStoreError>> + Send + 'a>>;

/// A task to create.
#[derive(Clone)]
pub struct NewTask {
    /// An id that no other task has: 64 lower-case hexadecimal digits.
    pub id: String,
    /// A digest of the caller that owns the task; `None` for callers that are not known. A store
    /// bounds the tasks of each owner, if it bounds tasks at all.
    pub owner: Option<[u8; 32]>,
    /// The call that the task runs, sealed. It never changes; only who [takes](TaskStore::take) the
    /// task reads it.
    pub call: Bytes,
    /// The sealed data of the task: its status, questions and result.
    pub data: Bytes,
    /// How long the creator has the lease.
    pub lease: Duration,
    /// The time after which the task is deleted.
    pub keep: Duration,
}

/// The data of a task in a store, except its call and its answers.
///
/// A store must store every member. The members are public and the list is complete, so that a new
/// member is a compiler error in every store.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// The id.
    pub id: String,
    /// A digest of the caller that owns the task; `None` for callers that are not known.
    pub owner: Option<[u8; 32]>,
    /// The state.
    pub state: TaskState,
    /// The number of changes, including the creation.
    pub version: u64,
    /// The fencing token: how often the lease was taken, including by its creator.
    pub token: u64,
    /// When the lease expires, in milliseconds since 1970; 0 in a final state.
    pub leased_until: u64,
    /// When the task was created, in milliseconds since 1970.
    pub created_at: u64,
    /// When the version last changed, in milliseconds since 1970.
    pub updated_at: u64,
    /// When the task is deleted, in milliseconds since 1970.
    pub expires_at: u64,
    /// The numbers of its open questions, in ascending order.
    pub open: Vec<u32>,
    /// The sealed data of the task: its status, questions and result.
    pub data: Bytes,
}

/// The state of a task.
///
/// A task that waits for an answer is `Running`, with an [open](TaskRecord::open) question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// The call has not ended.
    Running,
    /// The call has ended with a result.
    Completed,
    /// The call has ended with an error, or will never end.
    Failed,
    /// The task was cancelled.
    Cancelled,
}

/// A step of a task from one version to the next.
#[derive(Clone)]
pub struct TaskStep {
    /// The version that the task must have.
    pub version: u64,
    /// The token that the task must have, if the step is that of the lease's holder.
    pub token: Option<u64>,
    /// The next state, which may be the same.
    pub state: TaskState,
    /// The new sealed data of the task.
    pub data: Bytes,
    /// The questions that are open from now on, in ascending order, except those that have an answer.
    /// Ignored in a final state.
    pub open: Vec<u32>,
    /// The time from now after which the task is deleted; `None` leaves it unchanged.
    pub keep: Option<Duration>,
}

/// The answer to a question of a task.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskAnswer {
    /// The number of the question.
    pub question: u32,
    /// The answer, sealed.
    pub answer: Bytes,
}

/// A task whose lease was taken.
#[derive(Clone)]
pub struct TakenTask {
    /// The task, with the token of the new lease.
    pub record: TaskRecord,
    /// The call that the task runs, sealed.
    pub call: Bytes,
}

/// Why a step did not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskStoreError {
    /// There is no such task, or it has expired.
    #[error("there is no such task")]
    NotFound,
    /// The task differs from what the caller expects. The error contains its current state.
    #[error("the task has moved on")]
    Conflict(Box<TaskRecord>),
    /// Another replica holds the lease.
    #[error("another replica holds the task's lease")]
    Leased,
    /// The store has no room. It may have some when other tasks have expired.
    #[error("the task store has no room")]
    Full,
    /// The store cannot be reached. The step may or may not have happened. Try again.
    #[error("the task store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl TaskState {
    /// Returns whether no other state follows.
    pub fn is_final(self) -> bool {
        self != Self::Running
    }

    /// Returns the name of the state: `running`, `completed`, `failed` or `cancelled`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Completed, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl TaskStoreError {
    /// Creates an error that says that the store cannot be reached.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl fmt::Debug for NewTask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewTask")
            .field("id", &self.id)
            .field("call", &self.call.len())
            .field("data", &self.data.len())
            .field("lease", &self.lease)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TaskRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskRecord")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("version", &self.version)
            .field("token", &self.token)
            .field("leased_until", &self.leased_until)
            .field("expires_at", &self.expires_at)
            .field("open", &self.open)
            .field("data", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TaskStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskStep")
            .field("version", &self.version)
            .field("token", &self.token)
            .field("state", &self.state)
            .field("open", &self.open)
            .field("data", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TaskAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskAnswer")
            .field("question", &self.question)
            .field("answer", &self.answer.len())
            .finish()
    }
}

impl fmt::Debug for TakenTask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TakenTask")
            .field("record", &self.record)
            .field("call", &self.call.len())
            .finish()
    }
}
