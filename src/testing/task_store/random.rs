//! Random calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::model::{Model, Outcome};
use super::{LONG, RIVALS, Store, create, name, new_task, ok, step};
use crate::task::{TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStoreError};

/// Pseudo-random numbers (splitmix64), so that a seed repeats a failure.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn question(&mut self) -> u32 {
        // Below 6.
        u32::try_from(self.below(6)).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
enum Action {
    Advance(TaskStep),
    Answer(Vec<TaskAnswer>),
    Take,
    Renew(u64),
    Release(u64),
}

/// Returns an action that often fits the task, and sometimes does not.
fn action(random: &mut Random, model: &Model) -> Action {
    let token = if random.below(4) == 0 { random.below(4) } else { model.token };
    match random.below(8) {
        0..3 => {
            let mut open: Vec<_> = (0..random.below(4)).map(|_| random.question()).collect();
            open.sort_unstable();
            open.dedup();
            let state = match random.below(40) {
                0 => TaskState::Completed,
                1 => TaskState::Failed,
                2 => TaskState::Cancelled,
                _ => TaskState::Running,
            };
            Action::Advance(TaskStep {
                version: if random.below(4) == 0 { random.below(9) } else { model.version },
                token: (random.below(2) == 0).then_some(token),
                state,
                data: random.next().to_le_bytes().to_vec().into(),
                open,
                keep: None,
            })
        }
        3..5 => {
            let answers = (0..random.below(4)).map(|_| TaskAnswer {
                question: random.question(),
                answer: random.next().to_le_bytes().to_vec().into(),
            });
            Action::Answer(answers.collect())
        }
        5 => Action::Take,
        6 => Action::Renew(token),
        _ => Action::Release(token),
    }
}

/// Compares the store with a model.
pub(super) async fn check(store: &Store, seed: u64, steps: usize) {
    let mut random = Random(seed);
    let mut task = new_task();
    let mut done = Vec::new();
    let mut model = Model::new(task.data.clone());
    let mut record = ok(store.create(task.clone()).await, "a task is created");
    for _ in 0..steps {
        if model.state.is_final() {
            ok(store.delete(&record.id).await, "deleted");
            task = new_task();
            model = Model::new(task.data.clone());
            record = ok(store.create(task.clone()).await, "a task is created");
        }
        let action = action(&mut random, &model);
        done.push(action.clone());
        let expected = apply(&mut model, &action);
        let outcome = run(store, &record.id, action).await;
        assert_eq!(outcome, expected, "seed {seed}: {done:#?}");
        record = ok(store.read(&record.id).await, "read");
        assert_eq!(view(store, &record, model.is_leased).await, model, "seed {seed}: {done:#?}");
    }
    ok(store.delete(&record.id).await, "deleted");
}

fn apply(model: &mut Model, action: &Action) -> Outcome {
    match action {
        Action::Advance(step) => model.advance(step),
        Action::Answer(answers) => {
            model.answer(answers);
            Ok(())
        }
        Action::Take => model.take(),
        Action::Renew(token) => model.renew(*token, true),
        Action::Release(token) => model.renew(*token, false),
    }
}

async fn run(store: &Store, id: &str, action: Action) -> Outcome {
    let done = match action {
        Action::Advance(step) => store.advance(id, step).await.map(drop),
        Action::Answer(answers) => store.answer(id, answers).await.map(drop),
        Action::Take => store.take(id, LONG).await.map(drop),
        Action::Renew(token) => store.renew(id, token, LONG).await.map(drop),
        Action::Release(token) => store.release(id, token).await,
    };
    done.map_err(|error| match error {
        TaskStoreError::Unavailable(cause) => panic!("the store is not available: {cause}"),
        error => name(&error),
    })
}

/// Returns what the model should look like. Whether the lease runs is in no record, because time
/// passes; the outcomes of taking it show it.
async fn view(store: &Store, record: &TaskRecord, is_leased: bool) -> Model {
    let answers = ok(store.answers(&record.id).await, "answers");
    Model {
        state: record.state,
        version: record.version,
        token: record.token,
        is_leased,
        open: record.open.clone(),
        data: record.data.clone(),
        answers: answers.into_iter().map(|TaskAnswer { question, answer }| (question, answer)).collect(),
    }
}

/// Lets many change the same task at once: no change is lost, and none counts twice.
pub(super) async fn check_at_once(store: &Store, seed: u64, steps: usize) {
    let record = create(store).await;
    let changes = Arc::new(AtomicU64::new(0));
    let rivals: Vec<_> = (0..u64::from(RIVALS))
        .map(|rival| {
            let (store, changes, id) = (Arc::clone(store), Arc::clone(&changes), record.id.clone());
            tokio::spawn(rival_steps(store, id, Random(seed << 8 | rival), steps, changes))
        })
        .collect();
    for rival in rivals {
        rival.await.expect("no panic");
    }
    let record = ok(store.read(&record.id).await, "read");
    let changes = changes.load(Ordering::SeqCst);
    assert_eq!(record.version, 1 + changes, "seed {seed}: each change adds 1 to the version");
    ok(store.delete(&record.id).await, "deleted");
}

/// Moves a task on from the version that it has, again and again. Data is a counter.
async fn rival_steps(store: Store, id: String, mut random: Random, steps: usize, changes: Arc<AtomicU64>) {
    let mut last = ok(store.read(&id).await, "read");
    for _ in 0..steps {
        let open = vec![random.question()];
        match store.advance(&id, TaskStep { open, ..step(&last) }).await {
            Ok(now) => {
                changes.fetch_add(1, Ordering::SeqCst);
                assert_eq!(now.version, last.version + 1);
                last = now;
            }
            Err(TaskStoreError::Conflict(now)) => {
                assert!(now.version > last.version, "versions only grow");
                last = *now;
            }
            Err(error) => panic!("a step: {error:?}"),
        }
        if random.below(4) == 0 {
            tokio::task::yield_now().await;
        }
    }
}
