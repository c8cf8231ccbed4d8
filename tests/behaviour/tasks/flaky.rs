//! A store that is not always available.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcp_stateless::task::{
    LocalTaskStore, NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskStep, TaskStore,
    TaskStoreError,
};

/// A store that can be down, and that can do what it is asked and lose the answer.
pub(crate) struct Flaky {
    store: Arc<dyn TaskStore>,
    is_down: AtomicBool,
    /// How many answers it loses.
    loses: AtomicUsize,
}

impl Flaky {
    pub(crate) fn new() -> Arc<Self> {
        Self::over(Arc::new(LocalTaskStore::new()))
    }

    /// A way to a store that others reach all the time.
    pub(crate) fn over(store: Arc<dyn TaskStore>) -> Arc<Self> {
        Arc::new(Self { store, is_down: AtomicBool::new(false), loses: AtomicUsize::new(0) })
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    pub(crate) fn lose(&self, answers: usize) {
        self.loses.store(answers, Ordering::SeqCst);
    }

    fn answer_of<'a, T: Send + 'a>(
        &'a self,
        step: impl FnOnce(&'a dyn TaskStore) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            if self.is_down.load(Ordering::SeqCst) {
                return Err(TaskStoreError::unavailable("it is down"));
            }
            let answer = step(&*self.store).await;
            let lost =
                self.loses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if lost.is_ok() { Err(TaskStoreError::unavailable("the answer was lost")) } else { answer }
        })
    }
}

impl TaskStore for Flaky {
    fn create(&self, task: NewTask) -> StoreFuture<'_, TaskRecord> {
        self.answer_of(|store| store.create(task))
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord> {
        self.answer_of(move |store| store.read(id))
    }

    fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord> {
        self.answer_of(move |store| store.advance(id, step))
    }

    fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord> {
        self.answer_of(move |store| store.answer(id, answers))
    }

    fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>> {
        self.answer_of(move |store| store.answers(id))
    }

    fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>> {
        self.answer_of(move |store| store.expired(most))
    }

    fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask> {
        self.answer_of(move |store| store.take(id, lease))
    }

    fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord> {
        self.answer_of(move |store| store.renew(id, token, lease))
    }

    fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()> {
        self.answer_of(move |store| store.release(id, token))
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        self.answer_of(move |store| store.delete(id))
    }
}
