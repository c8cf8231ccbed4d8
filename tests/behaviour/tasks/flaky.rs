//! A store that is not always available.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_stateless::task::{
    LocalTaskStore, NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskStep, TaskStore,
    TaskStoreError,
};
use tokio::sync::Semaphore;

/// A store that can be down or slow, and that can do what it is asked and lose the answer.
pub(crate) struct Flaky {
    store: Arc<dyn TaskStore>,
    is_down: AtomicBool,
    /// The step that is possible all the same.
    exception: Mutex<Option<&'static str>>,
    /// How long it takes to fail while it is down.
    patience: Mutex<Duration>,
    /// How many answers it loses.
    loses: AtomicUsize,
    /// Steps that wait for permits, by name.
    gates: Mutex<BTreeMap<&'static str, Arc<Semaphore>>>,
}

impl Flaky {
    pub(crate) fn new() -> Arc<Self> {
        Self::over(Arc::new(LocalTaskStore::new()))
    }

    /// A way to a store that others reach all the time.
    pub(crate) fn over(store: Arc<dyn TaskStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            is_down: AtomicBool::new(false),
            exception: Mutex::default(),
            patience: Mutex::default(),
            loses: AtomicUsize::new(0),
            gates: Mutex::default(),
        })
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Takes it down, except for one kind of steps.
    pub(crate) fn set_down_except(&self, step: &'static str) {
        *self.exception.lock().expect("not poisoned") = Some(step);
        self.set_down(true);
    }

    /// Sets how long it takes to fail while it is down.
    pub(crate) fn set_patience(&self, patience: Duration) {
        *self.patience.lock().expect("not poisoned") = patience;
    }

    pub(crate) fn lose(&self, answers: usize) {
        self.loses.store(answers, Ordering::SeqCst);
    }

    /// Lets each step of this kind wait for a permit, from now on.
    pub(crate) fn hold(&self, step: &'static str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().expect("not poisoned").insert(step, Arc::clone(&gate));
        gate
    }

    fn answer_of<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        step: impl FnOnce(&'a dyn TaskStore) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let gate = self.gates.lock().expect("not poisoned").get(name).cloned();
            if let Some(gate) = gate {
                gate.acquire().await.expect("it stays open").forget();
            }
            let is_excepted = *self.exception.lock().expect("not poisoned") == Some(name);
            if self.is_down.load(Ordering::SeqCst) && !is_excepted {
                let patience = *self.patience.lock().expect("not poisoned");
                if !patience.is_zero() {
                    tokio::time::sleep(patience).await;
                }
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
        self.answer_of("create", |store| store.create(task))
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord> {
        self.answer_of("read", move |store| store.read(id))
    }

    fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord> {
        self.answer_of("advance", move |store| store.advance(id, step))
    }

    fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord> {
        self.answer_of("answer", move |store| store.answer(id, answers))
    }

    fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>> {
        self.answer_of("answers", move |store| store.answers(id))
    }

    fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>> {
        self.answer_of("expired", move |store| store.expired(most))
    }

    fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask> {
        self.answer_of("take", move |store| store.take(id, lease))
    }

    fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord> {
        self.answer_of("renew", move |store| store.renew(id, token, lease))
    }

    fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()> {
        self.answer_of("release", move |store| store.release(id, token))
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        self.answer_of("delete", move |store| store.delete(id))
    }
}
