//! Tasks within one process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::Instant;

use super::store::{
    NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStore, TaskStoreError,
};

/// The overhead of a task in addition to its call, data and answers, in bytes.
const OVERHEAD: usize = 512;

/// A [`TaskStore`] for a server with one process. Its tasks end with the process.
///
/// By default it has room for 4,096 tasks in 64 MiB for callers with a
/// [`Principal`](crate::Principal), of which each caller gets at most an eighth, and for as many again
/// for callers without one. At a limit, further tasks are refused until others have expired.
pub struct LocalTaskStore {
    started: Instant,
    /// The time at `started`, in milliseconds since 1970.
    started_at: u64,
    all: Room,
    each: Room,
    tasks: Mutex<Tasks>,
}

/// A number of tasks, and of bytes for them.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    tasks: usize,
    bytes: usize,
}

#[derive(Default)]
struct Tasks {
    by_id: HashMap<String, Stored>,
    /// When each task expires.
    by_end: BTreeSet<(u64, String)>,
    /// When the lease of each running task ends.
    by_lease: BTreeSet<(u64, String)>,
    known: Room,
    unknown: Room,
    by_owner: HashMap<[u8; 32], Room>,
}

struct Stored {
    record: TaskRecord,
    call: Bytes,
    answers: BTreeMap<u32, Bytes>,
}

impl LocalTaskStore {
    /// Creates a store for 4,096 tasks in 64 MiB.
    pub fn new() -> Self {
        Self::with_capacity(4_096, 64 * 1024 * 1024)
    }

    /// Creates a store with limits on the number and the total size of tasks. Each caller gets an
    /// eighth of both, and at least one task.
    pub fn with_capacity(tasks: usize, bytes: usize) -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: Instant::now(),
            started_at: millis(started_at),
            all: Room { tasks, bytes },
            each: Room { tasks: (tasks / 8).max(1), bytes: bytes / 8 },
            tasks: Mutex::default(),
        }
    }

    fn now(&self) -> u64 {
        self.started_at.saturating_add(millis(self.started.elapsed()))
    }

    /// Returns the tasks that have not expired, and the time.
    fn lock(&self) -> (MutexGuard<'_, Tasks>, u64) {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        while tasks.by_end.first().is_some_and(|(end, _)| *end <= now)
            && let Some((_, id)) = tasks.by_end.pop_first()
        {
            tasks.remove(&id);
        }
        (tasks, now)
    }

    fn create_now(&self, task: NewTask) -> Result<TaskRecord, TaskStoreError> {
        let (mut tasks, now) = self.lock();
        if let Some(stored) = tasks.by_id.get(&task.id) {
            return Err(conflict(stored));
        }
        let record = TaskRecord {
            id: task.id,
            owner: task.owner,
            state: TaskState::Running,
            version: 1,
            token: 1,
            leased_until: later(now, task.lease),
            created_at: now,
            updated_at: now,
            expires_at: later(now, task.keep),
            open: Vec::new(),
            data: task.data,
        };
        let stored = Stored { record: record.clone(), call: task.call, answers: BTreeMap::new() };
        let (all, own) = tasks.used(record.owner);
        let needed = Room { tasks: 1, bytes: stored.size() };
        if !all.plus(needed).fits(self.all) || !own.plus(needed).fits(self.each) {
            return Err(TaskStoreError::Full);
        }
        tasks.add(stored);
        Ok(record)
    }

    fn advance_now(&self, id: &str, step: TaskStep) -> Result<TaskRecord, TaskStoreError> {
        let (mut tasks, now) = self.lock();
        let stored = tasks.find(id)?;
        if stored.record.state.is_final() {
            return Err(conflict(stored));
        }
        if step.token.is_some_and(|token| token != stored.record.token) {
            return Err(TaskStoreError::Leased);
        }
        if step.version != stored.record.version {
            return Err(conflict(stored));
        }
        let kept = if step.state.is_final() { OVERHEAD } else { stored.size() - stored.record.data.len() };
        self.grow(&tasks, id, (kept + step.data.len()).saturating_sub(stored.size()))?;
        tasks.change(id, |Stored { record, call, answers }| {
            record.state = step.state;
            record.version += 1;
            record.updated_at = now;
            record.data = step.data;
            if let Some(keep) = step.keep {
                record.expires_at = later(now, keep);
            }
            if record.state.is_final() {
                record.leased_until = 0;
                record.open.clear();
                answers.clear();
                *call = Bytes::new();
            } else {
                record.open = step.open;
                record.open.retain(|question| !answers.contains_key(question));
            }
        })
    }

    fn answer_now(&self, id: &str, given: Vec<TaskAnswer>) -> Result<TaskRecord, TaskStoreError> {
        let (mut tasks, now) = self.lock();
        let open = &tasks.find(id)?.record.open;
        let wanted: Vec<_> = given.into_iter().filter(|given| open.contains(&given.question)).collect();
        if wanted.is_empty() {
            return tasks.find(id).map(|stored| stored.record.clone());
        }
        self.grow(&tasks, id, wanted.iter().map(|given| given.answer.len()).sum())?;
        tasks.change(id, |Stored { record, answers, .. }| {
            for TaskAnswer { question, answer } in wanted {
                // Of two answers to one question, the first counts.
                answers.entry(question).or_insert(answer);
            }
            record.open.retain(|question| !answers.contains_key(question));
            record.version += 1;
            record.updated_at = now;
        })
    }

    fn answers_now(&self, id: &str) -> Result<Vec<TaskAnswer>, TaskStoreError> {
        let (tasks, _) = self.lock();
        let answers = tasks.find(id)?.answers.iter();
        Ok(answers
            .map(|(question, answer)| TaskAnswer { question: *question, answer: answer.clone() })
            .collect())
    }

    fn expired_now(&self, most: usize) -> Vec<String> {
        let (tasks, now) = self.lock();
        let expired = tasks.by_lease.iter().take_while(|(end, _)| *end <= now);
        expired.take(most).map(|(_, id)| id.clone()).collect()
    }

    fn take_now(&self, id: &str, lease: Duration) -> Result<TakenTask, TaskStoreError> {
        let (mut tasks, now) = self.lock();
        let stored = tasks.find(id)?;
        if stored.record.state.is_final() {
            return Err(conflict(stored));
        }
        if stored.record.leased_until > now {
            return Err(TaskStoreError::Leased);
        }
        let call = stored.call.clone();
        let record = tasks.change(id, |Stored { record, .. }| {
            record.token += 1;
            record.leased_until = later(now, lease);
        })?;
        Ok(TakenTask { record, call })
    }

    fn renew_now(&self, id: &str, token: u64, lease: Duration) -> Result<TaskRecord, TaskStoreError> {
        let (mut tasks, now) = self.lock();
        let stored = tasks.find(id)?;
        if stored.record.state.is_final() {
            return Err(conflict(stored));
        }
        if stored.record.token != token {
            return Err(TaskStoreError::Leased);
        }
        tasks.change(id, |Stored { record, .. }| record.leased_until = later(now, lease))
    }

    /// Checks that there is room for more bytes of a task.
    fn grow(&self, tasks: &Tasks, id: &str, bytes: usize) -> Result<(), TaskStoreError> {
        let (all, own) = tasks.used(tasks.find(id)?.record.owner);
        let needed = Room { tasks: 0, bytes };
        let fits = bytes == 0 || (all.plus(needed).fits(self.all) && own.plus(needed).fits(self.each));
        fits.then_some(()).ok_or(TaskStoreError::Full)
    }
}

impl Default for LocalTaskStore {
    fn default() -> Self {
        Self::new()
    }
}

impl TaskStore for LocalTaskStore {
    fn create(&self, task: NewTask) -> StoreFuture<'_, TaskRecord> {
        Box::pin(ready(self.create_now(task)))
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord> {
        Box::pin(ready(self.lock().0.find(id).map(|stored| stored.record.clone())))
    }

    fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord> {
        Box::pin(ready(self.advance_now(id, step)))
    }

    fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord> {
        Box::pin(ready(self.answer_now(id, answers)))
    }

    fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>> {
        Box::pin(ready(self.answers_now(id)))
    }

    fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>> {
        Box::pin(ready(Ok(self.expired_now(most))))
    }

    fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask> {
        Box::pin(ready(self.take_now(id, lease)))
    }

    fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord> {
        Box::pin(ready(self.renew_now(id, token, lease)))
    }

    fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()> {
        Box::pin(ready(self.renew_now(id, token, Duration::ZERO).map(drop)))
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        self.lock().0.remove(id);
        Box::pin(ready(Ok(())))
    }
}

impl Tasks {
    fn find(&self, id: &str) -> Result<&Stored, TaskStoreError> {
        self.by_id.get(id).ok_or(TaskStoreError::NotFound)
    }

    /// Returns what all tasks take that share bounds with those of `owner`, and what its own take.
    fn used(&self, owner: Option<[u8; 32]>) -> (Room, Room) {
        match owner {
            Some(owner) => (self.known, self.by_owner.get(&owner).copied().unwrap_or_default()),
            // Unknown callers cannot be told apart.
            None => (self.unknown, Room::default()),
        }
    }

    /// Changes a task, and returns it.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Stored)) -> Result<TaskRecord, TaskStoreError> {
        let mut stored = self.remove(id).ok_or(TaskStoreError::NotFound)?;
        change(&mut stored);
        let record = stored.record.clone();
        self.add(stored);
        Ok(record)
    }

    fn add(&mut self, stored: Stored) {
        let Stored { record, .. } = &stored;
        let taken = Room { tasks: 1, bytes: stored.size() };
        match record.owner {
            None => self.unknown = self.unknown.plus(taken),
            Some(owner) => {
                self.known = self.known.plus(taken);
                let own = self.by_owner.entry(owner).or_default();
                *own = own.plus(taken);
            }
        }
        self.by_end.insert((record.expires_at, record.id.clone()));
        if !record.state.is_final() {
            self.by_lease.insert((record.leased_until, record.id.clone()));
        }
        self.by_id.insert(record.id.clone(), stored);
    }

    fn remove(&mut self, id: &str) -> Option<Stored> {
        let stored = self.by_id.remove(id)?;
        let Stored { record, .. } = &stored;
        let freed = Room { tasks: 1, bytes: stored.size() };
        match record.owner {
            None => self.unknown = self.unknown.minus(freed),
            Some(owner) => {
                self.known = self.known.minus(freed);
                let own = self.by_owner.get(&owner).copied().unwrap_or_default().minus(freed);
                if own.tasks == 0 {
                    self.by_owner.remove(&owner);
                } else {
                    self.by_owner.insert(owner, own);
                }
            }
        }
        self.by_end.remove(&(record.expires_at, record.id.clone()));
        self.by_lease.remove(&(record.leased_until, record.id.clone()));
        Some(stored)
    }
}

impl Stored {
    fn size(&self) -> usize {
        let answers: usize = self.answers.values().map(Bytes::len).sum();
        OVERHEAD + self.call.len() + self.record.data.len() + answers
    }
}

impl Room {
    fn plus(self, other: Self) -> Self {
        Self { tasks: self.tasks + other.tasks, bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn minus(self, other: Self) -> Self {
        Self { tasks: self.tasks.saturating_sub(other.tasks), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    fn fits(self, bound: Self) -> bool {
        self.tasks <= bound.tasks && self.bytes <= bound.bytes
    }
}

impl fmt::Debug for LocalTaskStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.lock().0.by_id.len();
        formatter.debug_struct("LocalTaskStore").field("tasks", &tasks).finish_non_exhaustive()
    }
}

fn conflict(stored: &Stored) -> TaskStoreError {
    TaskStoreError::Conflict(Box::new(stored.record.clone()))
}

fn later(now: u64, duration: Duration) -> u64 {
    now.saturating_add(millis(duration))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::LocalTaskStore;
    use crate::task::{NewTask, TaskState, TaskStep, TaskStore, TaskStoreError};

    fn task(id: &str, owner: Option<u8>, call: usize) -> NewTask {
        NewTask {
            id: id.to_owned(),
            owner: owner.map(|owner| [owner; 32]),
            call: vec![0; call].into(),
            data: Bytes::new(),
            lease: Duration::from_secs(10),
            keep: Duration::from_secs(60),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_is_bounded_in_number_for_each_caller_and_in_all_and_forgets_in_time() {
        let store = LocalTaskStore::with_capacity(16, 1 << 20);
        for (id, owner) in [("a", Some(1)), ("b", Some(1)), ("c", Some(2)), ("d", None)] {
            assert!(store.create(task(id, owner, 0)).await.is_ok());
        }
        let full = |created| matches!(created, Err(TaskStoreError::Full));
        assert!(full(store.create(task("e", Some(1), 0)).await));
        for id in 0..15 {
            assert!(store.create(task(&id.to_string(), None, 0)).await.is_ok());
        }
        assert!(full(store.create(task("f", None, 0)).await));
        assert!(store.delete("a").await.is_ok());
        assert!(store.create(task("e", Some(1), 0)).await.is_ok());
        tokio::time::advance(Duration::from_secs(60)).await;
        let (tasks, _) = store.lock();
        assert!(tasks.by_id.is_empty() && tasks.by_end.is_empty() && tasks.by_lease.is_empty());
        assert!(tasks.by_owner.is_empty());
        assert_eq!((tasks.known.bytes, tasks.unknown.bytes, tasks.known.tasks), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_store_is_bounded_in_bytes() {
        let store = LocalTaskStore::with_capacity(16, 8 * 1024);
        assert!(store.create(task("a", Some(1), 512)).await.is_ok());
        assert!(matches!(store.create(task("b", Some(2), 1024)).await, Err(TaskStoreError::Full)));
        let step = |data: usize| TaskStep {
            version: 1,
            token: None,
            state: TaskState::Completed,
            data: vec![0; data].into(),
            open: Vec::new(),
            keep: None,
        };
        assert!(matches!(store.advance("a", step(1024)).await, Err(TaskStoreError::Full)));
        assert!(store.advance("a", step(0)).await.is_ok());
        // The call is deleted with the state becoming final.
        assert_eq!(store.lock().0.known.bytes, super::OVERHEAD);
    }
}
