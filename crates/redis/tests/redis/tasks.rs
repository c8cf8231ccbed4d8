//! Tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_stateless::task::{
    NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStore, TaskStoreError,
};
use mcp_stateless::testing::task_store;
use mcp_stateless_redis::RedisTaskStore;
use test_support::services::RedisServer;
use test_support::wait;

use crate::replica::{command, quick};

/// Sends each call to the next of several replicas.
struct RoundRobin {
    stores: Vec<RedisTaskStore>,
    next: AtomicUsize,
}

impl RoundRobin {
    fn new(url: &str) -> Self {
        let store = |_| quick(url).build().expect("valid settings").task_store();
        Self { stores: (0..3).map(store).collect(), next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &RedisTaskStore {
        &self.stores[self.next.fetch_add(1, Ordering::SeqCst) % self.stores.len()]
    }
}

impl TaskStore for RoundRobin {
    fn create(&self, task: NewTask) -> StoreFuture<'_, TaskRecord> {
        self.next().create(task)
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord> {
        self.next().read(id)
    }

    fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord> {
        self.next().advance(id, step)
    }

    fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord> {
        self.next().answer(id, answers)
    }

    fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>> {
        self.next().answers(id)
    }

    fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>> {
        self.next().expired(most)
    }

    fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask> {
        self.next().take(id, lease)
    }

    fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord> {
        self.next().renew(id, token, lease)
    }

    fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()> {
        self.next().release(id, token)
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        self.next().delete(id)
    }
}

/// Runs the tests of a store, each call on the next of three replicas.
pub(crate) async fn keeps_its_contract(url: &str) {
    task_store::check(Arc::new(RoundRobin::new(url))).await;
}

/// Returns a task whose id begins with two digits, of an owner.
pub(crate) fn new_task(digits: &str) -> NewTask {
    NewTask {
        id: digits.repeat(32),
        owner: Some([7; 32]),
        call: "call".into(),
        data: "created".into(),
        lease: Duration::from_secs(60),
        keep: Duration::from_secs(600),
    }
}

fn end(record: &TaskRecord) -> TaskStep {
    TaskStep {
        version: record.version,
        token: Some(record.token),
        state: TaskState::Completed,
        data: "the result".into(),
        open: Vec::new(),
        keep: None,
    }
}

#[tokio::test]
async fn a_store_keeps_its_contract_and_leaves_nothing_that_has_not_expired() {
    let server = RedisServer::start().await;
    keeps_its_contract(&server.url()).await;
    wait::until("everything is deleted or has expired", async || {
        command::<u64>(&server.url(), &["DBSIZE"]).await == 0
    })
    .await;
}

#[tokio::test]
async fn every_key_has_the_prefix_and_an_expiry() {
    let server = RedisServer::start().await;
    let store = quick(server.url()).build().expect("valid settings").task_store();
    let record = store.create(new_task("01")).await.expect("created");
    store.create(NewTask { owner: None, ..new_task("02") }).await.expect("created");
    store
        .advance(&record.id, TaskStep { open: vec![1], state: TaskState::Running, ..end(&record) })
        .await
        .expect("on");
    let answers = vec![TaskAnswer { question: 1, answer: "yes".into() }];
    store.answer(&record.id, answers).await.expect("answered");
    let keys: Vec<String> = command(&server.url(), &["KEYS", "*"]).await;
    assert_eq!(keys.len(), 6, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("{test}:"), "{key}");
        let left: i64 = command(&server.url(), &["PTTL", &key]).await;
        assert!((1..=600_000).contains(&left), "{key}: {left}");
    }
}

#[tokio::test]
async fn a_task_that_expires_leaves_nothing_at_any_time() {
    let server = RedisServer::start().await;
    let store = quick(server.url()).build().expect("valid settings").task_store();
    for (id, keep) in [("01", 0), ("02", 1), ("03", 200)] {
        let keep = Duration::from_millis(keep);
        let record = store.create(NewTask { keep, ..new_task(id) }).await.expect("created");
        // It may be over by now.
        let moved = store.advance(&record.id, TaskStep { keep: Some(keep), ..end(&record) }).await;
        assert!(moved.is_ok() || matches!(moved, Err(TaskStoreError::NotFound)), "{moved:?}");
    }
    wait::until("everything has expired", async || command::<u64>(&server.url(), &["DBSIZE"]).await == 0)
        .await;
}

#[tokio::test]
async fn tasks_are_bounded_for_each_caller_and_in_all_and_in_size() {
    let server = RedisServer::start().await;
    let redis = quick(server.url()).build().expect("valid settings");
    let store = redis.task_store().max_tasks(4).max_tasks_per_principal(2).max_task_size(100);
    let create = async |id: &str, owner: Option<u8>, size: usize, keep: u64| {
        let owner = owner.map(|owner| [owner; 32]);
        let keep = Duration::from_millis(keep);
        let task = NewTask { owner, call: vec![0; size].into(), keep, ..new_task(id) };
        match store.create(task).await {
            Ok(_) => true,
            Err(TaskStoreError::Full) => false,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(create("01", Some(1), 0, 60_000).await);
    assert!(create("02", Some(1), 0, 300).await);
    assert!(!create("03", Some(1), 0, 60_000).await);
    assert!(create("04", Some(2), 0, 60_000).await);
    assert!(create("05", Some(3), 0, 60_000).await);
    assert!(!create("06", Some(4), 0, 60_000).await);
    for id in ["07", "08", "09", "10"] {
        assert!(create(id, None, 0, 60_000).await);
    }
    assert!(!create("11", None, 0, 60_000).await);
    // What has expired makes room.
    wait::until("there is room", async || create("03", Some(1), 0, 60_000).await).await;
    store.delete(&"04".repeat(32)).await.expect("deleted");
    assert!(!create("12", Some(2), 100, 60_000).await, "the data adds to the call");
    assert!(create("12", Some(2), 90, 60_000).await);

    let record = store.read(&"12".repeat(32)).await.expect("read");
    let large = |state| TaskStep { state, data: vec![0; 101].into(), open: vec![0], ..end(&record) };
    for state in [TaskState::Running, TaskState::Completed] {
        assert!(matches!(store.advance(&record.id, large(state)).await, Err(TaskStoreError::Full)));
    }
    let open = TaskStep { state: TaskState::Running, data: "".into(), open: vec![0], ..end(&record) };
    store.advance(&record.id, open).await.expect("a small step");
    let answer = |size| vec![TaskAnswer { question: 0, answer: vec![0; size].into() }];
    assert!(matches!(store.answer(&record.id, answer(11)).await, Err(TaskStoreError::Full)));
    assert!(store.answer(&record.id, answer(10)).await.expect("it fits").open.is_empty());
    // The call and the answers go when it ends.
    let record = store.read(&record.id).await.expect("read");
    let ended = TaskStep { data: vec![0; 100].into(), ..end(&record) };
    assert_eq!(store.advance(&record.id, ended).await.expect("ended").data.len(), 100);
}

#[tokio::test]
async fn tasks_survive_a_redis_that_is_killed_or_restarted() {
    let mut server = RedisServer::start().await;
    let store =
        quick(server.url()).command_timeout(Duration::from_secs(20)).build().expect("valid").task_store();
    let running = store.create(new_task("01")).await.expect("created");
    let ended = store.create(new_task("02")).await.expect("created");
    let ended = store.advance(&ended.id, end(&ended)).await.expect("ended");
    for is_killed in [true, false] {
        if is_killed {
            server.kill().await;
        } else {
            server.stop().await;
        }
        server.restart().await;
        assert_eq!(store.read(&running.id).await.expect("read"), running);
        assert_eq!(store.read(&ended.id).await.expect("read"), ended);
    }
    store.advance(&running.id, end(&running)).await.expect("it goes on");
}

#[tokio::test]
async fn a_store_that_is_away_says_so_in_time() {
    let mut server = RedisServer::start().await;
    let store = quick(server.url()).build().expect("valid settings").task_store();
    let record = store.create(new_task("01")).await.expect("created");
    server.kill().await;
    let start = std::time::Instant::now();
    for _ in 0..3 {
        assert!(matches!(store.read(&record.id).await, Err(TaskStoreError::Unavailable(_))));
        assert!(matches!(store.create(new_task("02")).await, Err(TaskStoreError::Unavailable(_))));
    }
    // The first has waited; the others knew.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
