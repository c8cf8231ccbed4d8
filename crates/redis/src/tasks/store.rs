//! The store.

use std::fmt;
use std::time::Duration;

use mcp_stateless::task::{
    NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskStep, TaskStore, TaskStoreError,
};
use redis::{FromRedisValue, Script, ScriptInvocation};

use super::record::{FIELDS, Reply, hexadecimal, nonsense, questions, record};
use super::scripts;
use crate::link::{Link, Request, Response};
use crate::random::random;

/// The longest duration that is stored, in milliseconds: about a hundred years. The scripts calculate with
/// floating-point numbers, which represent such times exactly.
const MOST_MILLISECONDS: u128 = 100 * 365 * 24 * 3600 * 1000;

/// A [`TaskStore`] in Redis, created by [`Redis::task_store`](crate::Redis::task_store).
///
/// By default, it stores at most 65,536 tasks of callers with a [`Principal`](mcp_stateless::Principal), of
/// which each caller may have an eighth, and another 65,536 tasks of callers without a principal. Each task
/// may take 4 MiB for its call, its status or result, and the answers to its questions. When a limit is
/// reached, new tasks are refused until others have expired.
///
/// Each operation is a script, so it has its whole effect or none. If its response is lost, it is sent
/// again, and does not take effect twice. The [configuration](crate#configuration-of-redis) of Redis
/// decides which failures tasks survive.
#[derive(Clone)]
pub struct RedisTaskStore {
    link: Link,
    names: Names,
    most: usize,
    most_each: Option<usize>,
    most_bytes: usize,
}

/// The names and prefixes of keys.
#[derive(Clone)]
struct Names {
    task: String,
    leases: String,
    sets: String,
}

impl RedisTaskStore {
    pub(crate) fn new(link: Link, prefix: &str) -> Self {
        let name = |end: &str| format!("{prefix}:{end}");
        let names = Names { task: name("task:"), leases: name("leases"), sets: name("tasks:") };
        Self { link, names, most: 65_536, most_each: None, most_bytes: 4 * 1024 * 1024 }
    }

    /// Sets the maximum number of stored tasks of all callers with a principal, and separately of all
    /// callers without one.
    #[must_use]
    pub fn max_tasks(mut self, tasks: usize) -> Self {
        self.most = tasks;
        self
    }

    /// Sets the maximum number of stored tasks of one caller. The default is an eighth of
    /// [`max_tasks`](Self::max_tasks), and at least one.
    #[must_use]
    pub fn max_tasks_per_principal(mut self, tasks: usize) -> Self {
        self.most_each = Some(tasks);
        self
    }

    /// Sets the maximum size of a task in bytes, after sealing.
    #[must_use]
    pub fn max_task_size(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    fn script<'a>(&self, script: &'a Script, id: &str) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        invocation
            .key(format!("{}{id}", self.names.task))
            .key(&self.names.leases)
            .key(&self.names.sets)
            .arg(id);
        invocation
    }

    async fn send(&self, request: Request<'_>) -> Result<Response, TaskStoreError> {
        self.link.run(&request).await.map_err(TaskStoreError::unavailable)
    }

    async fn run(&self, invocation: ScriptInvocation<'_>, id: &str) -> Result<Reply, TaskStoreError> {
        Reply::read(self.send(Request::Script(invocation)).await?.value)?.success(id)
    }

    async fn create_now(&self, task: NewTask) -> Result<TaskRecord, TaskStoreError> {
        let mut create = self.script(&scripts::TO_CREATE, &task.id);
        create
            .arg(task.owner.as_ref().map(hexadecimal).unwrap_or_default())
            .arg(&*task.call)
            .arg(&*task.data);
        create.arg(milliseconds(task.lease)).arg(milliseconds(task.keep)).arg(self.most_bytes);
        create.arg(self.most).arg(self.most_each.unwrap_or_else(|| (self.most / 8).max(1)));
        let Response { value, is_repeated } = self.send(Request::Script(create)).await?;
        let created = Reply::read(value)?.success(&task.id).and_then(|mut reply| reply.record(&task.id));
        match created {
            // The first attempt has created the task.
            Err(TaskStoreError::Conflict(record))
                if is_repeated && record.version == 1 && record.token == 1 && record.data == task.data =>
            {
                Ok(*record)
            }
            created => created,
        }
    }

    async fn read_now(&self, id: &str) -> Result<TaskRecord, TaskStoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}{id}", self.names.task)).arg(&FIELDS);
        let value = self.send(Request::Command(command)).await?.value;
        let values = Vec::<Option<Vec<u8>>>::from_redis_value(value).map_err(|_| nonsense())?;
        if values.iter().all(Option::is_none) {
            return Err(TaskStoreError::NotFound);
        }
        record(id, &mut values.into_iter()).ok_or_else(nonsense)
    }

    async fn advance_now(&self, id: &str, step: TaskStep) -> Result<TaskRecord, TaskStoreError> {
        let mut advance = self.script(&scripts::TO_ADVANCE, id);
        advance.arg(step.token.map(|token| token.to_string()).unwrap_or_default());
        advance.arg(step.version).arg(step.state.as_str()).arg(&*step.data).arg(questions(&step.open));
        advance.arg(step.keep.map(milliseconds).map(|keep| keep.to_string()).unwrap_or_default());
        advance.arg(self.most_bytes);
        let Response { value, is_repeated } = self.send(Request::Script(advance)).await?;
        match Reply::read(value)?.success(id).and_then(|mut reply| reply.record(id)) {
            // The first attempt has changed the task.
            Err(TaskStoreError::Conflict(record))
                if is_repeated
                    && record.version == step.version.saturating_add(1)
                    && record.state == step.state
                    && record.data == step.data =>
            {
                Ok(*record)
            }
            advanced => advanced,
        }
    }

    async fn answer_now(&self, id: &str, answers: Vec<TaskAnswer>) -> Result<TaskRecord, TaskStoreError> {
        let mut answer = self.script(&scripts::TO_ANSWER, id);
        answer.arg(self.most_bytes);
        for given in &answers {
            answer.arg(given.question).arg(&*given.answer);
        }
        self.run(answer, id).await?.record(id)
    }

    async fn answers_now(&self, id: &str) -> Result<Vec<TaskAnswer>, TaskStoreError> {
        self.run(self.script(&scripts::TO_LIST_ANSWERS, id), id).await?.answers()
    }

    async fn expired_now(&self, most: usize) -> Result<Vec<String>, TaskStoreError> {
        let mut expired = scripts::TO_LIST_EXPIRED.prepare_invoke();
        expired.key(&self.names.leases).key(&self.names.task).arg(most);
        let value = self.send(Request::Script(expired)).await?.value;
        Vec::<String>::from_redis_value(value).map_err(|_| nonsense())
    }

    async fn take_now(&self, id: &str, lease: Duration) -> Result<TakenTask, TaskStoreError> {
        let mark = random::<16>().map_err(TaskStoreError::unavailable)?;
        let mut take = self.script(&scripts::TO_TAKE, id);
        take.arg(milliseconds(lease)).arg(&mark[..]);
        let mut reply = self.run(take, id).await?;
        Ok(TakenTask { record: reply.record(id)?, call: reply.bytes()? })
    }

    async fn renew_now(&self, id: &str, token: u64, lease: Duration) -> Result<TaskRecord, TaskStoreError> {
        let mut renew = self.script(&scripts::TO_RENEW, id);
        renew.arg(token).arg(milliseconds(lease));
        self.run(renew, id).await?.record(id)
    }
}

impl TaskStore for RedisTaskStore {
    fn create(&self, task: NewTask) -> StoreFuture<'_, TaskRecord> {
        Box::pin(self.create_now(task))
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord> {
        Box::pin(self.read_now(id))
    }

    fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord> {
        Box::pin(self.advance_now(id, step))
    }

    fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord> {
        Box::pin(self.answer_now(id, answers))
    }

    fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>> {
        Box::pin(self.answers_now(id))
    }

    fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>> {
        Box::pin(self.expired_now(most))
    }

    fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask> {
        Box::pin(self.take_now(id, lease))
    }

    fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord> {
        Box::pin(self.renew_now(id, token, lease))
    }

    fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.renew_now(id, token, Duration::ZERO).await.map(drop) })
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.run(self.script(&scripts::TO_DELETE, id), id).await.map(drop) })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    // The maximum fits into 64 bits.
    u64::try_from(duration.as_millis().min(MOST_MILLISECONDS)).unwrap_or_default()
}

impl fmt::Debug for RedisTaskStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisTaskStore")
            .field("most", &self.most)
            .field("most_bytes", &self.most_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::milliseconds;

    #[test]
    fn no_duration_is_too_long() {
        assert_eq!(milliseconds(Duration::from_millis(7)), 7);
        assert!(milliseconds(Duration::MAX) < (1 << 52));
    }
}
