//! Tests an implementation of [`TaskStore`] against its contract (features `tasks` and `test-util`).
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_stateless::task::LocalTaskStore;
//! use mcp_stateless::testing::task_store;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! task_store::check(Arc::new(LocalTaskStore::new())).await;
//! # }
//! ```
//!
//! The tests create tasks with random ids, and delete them or let them expire within a few seconds. They can
//! run against a store that is in use, but [`TaskStore::expired`] also returns the tasks of others.

mod leases;
mod model;
mod questions;
mod random;
mod steps;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::ask::random_id;
use crate::task::{NewTask, TaskRecord, TaskState, TaskStep, TaskStore, TaskStoreError};

/// Runs every test. Takes a few seconds of the runtime's time, so use it with a paused clock if the
/// store uses that clock.
///
/// # Panics
/// Panics if the store breaks the contract, with a message that says where.
pub async fn check(store: Arc<dyn TaskStore>) {
    steps::check(&store).await;
    questions::check(&store).await;
    leases::check(&store).await;
    for seed in 0..16 {
        random::check(&store, seed, 100).await;
        random::check_at_once(&store, seed, 20).await;
    }
}

/// Compares the store with a simple model over `steps` random calls. The same seed makes the same
/// calls.
///
/// # Panics
/// Panics if the store differs from the model, with the seed and the calls so far.
pub async fn check_random(store: Arc<dyn TaskStore>, seed: u64, steps: usize) {
    random::check(&store, seed, steps).await;
}

/// A time that does not pass during a test.
const LONG: Duration = Duration::from_secs(3600);
/// A time that a test waits for.
const SHORT: Duration = Duration::from_millis(300);
/// After this time a test gives up waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many try the same thing at the same time.
const RIVALS: u8 = 8;

type Store = Arc<dyn TaskStore>;

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Returns a task that stays leased while the test runs.
fn new_task() -> NewTask {
    let half = || random_id().expect("the system has random numbers");
    NewTask {
        id: half() + &half(),
        owner: Some([7; 32]),
        call: text("call"),
        data: text("created"),
        lease: LONG,
        keep: LONG,
    }
}

async fn create(store: &Store) -> TaskRecord {
    ok(store.create(new_task()).await, "a task is created")
}

/// Returns a step from `record` that changes nothing but the version and the data.
fn step(record: &TaskRecord) -> TaskStep {
    TaskStep {
        version: record.version,
        token: None,
        state: TaskState::Running,
        data: text("moved on"),
        open: record.open.clone(),
        keep: None,
    }
}

#[track_caller]
fn ok<T>(result: Result<T, TaskStoreError>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// Requires an error of the variant whose name `expected` is.
#[track_caller]
fn fails<T: Debug>(result: Result<T, TaskStoreError>, expected: &str, what: &str) {
    match result {
        Err(error) if name(&error) == expected => {}
        other => panic!("{what}: expected {expected}, got {other:?}"),
    }
}

fn name(error: &TaskStoreError) -> &'static str {
    match error {
        TaskStoreError::NotFound => "NotFound",
        TaskStoreError::Conflict(_) => "Conflict",
        TaskStoreError::Leased => "Leased",
        TaskStoreError::Full => "Full",
        TaskStoreError::Unavailable(_) => "Unavailable",
    }
}

/// Returns the record in a conflict.
#[track_caller]
fn conflict<T: Debug>(result: Result<T, TaskStoreError>, what: &str) -> TaskRecord {
    match result {
        Err(TaskStoreError::Conflict(record)) => *record,
        other => panic!("{what}: expected Conflict, got {other:?}"),
    }
}

/// Runs the same call several times at once, and returns the outcomes.
async fn at_once<T, F>(call: impl Fn(u8) -> F) -> Vec<Result<T, TaskStoreError>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, TaskStoreError>> + Send + 'static,
{
    let rivals: Vec<_> = (0..RIVALS).map(|rival| tokio::spawn(call(rival))).collect();
    let mut outcomes = Vec::new();
    for rival in rivals {
        outcomes.push(rival.await.expect("no panic"));
    }
    outcomes
}

/// Waits until `reached` returns something, and panics if it takes too long.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, reached: impl Fn() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(value) = reached().await {
                return value;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let value = tokio::time::timeout(PATIENCE, waiting).await.ok();
    value.unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

/// Waits until a task is gone.
async fn until_gone(store: &Store, id: &str) {
    until("a task expires", async || match store.read(id).await {
        Err(TaskStoreError::NotFound) => Some(()),
        Ok(_) => None,
        Err(error) => panic!("a task expires: {error:?}"),
    })
    .await;
}
