//! Questions and answers.

use std::sync::Arc;

use super::{Store, create, ok, step, text};
use crate::task::{TaskAnswer, TaskRecord, TaskState, TaskStep};

pub(super) async fn check(store: &Store) {
    once(store).await;
    withdrawn(store).await;
    at_once(store).await;
}

fn answer(question: u32, answer: &str) -> TaskAnswer {
    TaskAnswer { question, answer: text(answer) }
}

async fn open(store: &Store, record: &TaskRecord, questions: &[u32]) -> TaskRecord {
    let asks = TaskStep { open: questions.to_vec(), ..step(record) };
    ok(store.advance(&record.id, asks).await, "questions are asked")
}

/// An answer counts if its question is open, and each question has one.
async fn once(store: &Store) {
    let created = create(store).await;
    let id = &*created.id;
    let same = ok(store.answer(id, vec![answer(0, "early")]).await, "an answer to nothing is ignored");
    assert_eq!(same, created);

    let asked = open(store, &created, &[0, 1, 7]).await;
    assert_eq!((asked.version, asked.open.as_slice()), (2, &[0, 1, 7][..]));
    let given = vec![answer(7, "seven"), answer(3, "none"), answer(0, "zero"), answer(0, "again")];
    let answered = ok(store.answer(id, given).await, "answers to open questions are stored");
    assert_eq!((answered.version, answered.open.as_slice()), (3, &[1][..]));
    assert_eq!((answered.state, &answered.data), (TaskState::Running, &asked.data));
    let same = ok(store.answer(id, vec![answer(0, "late"), answer(7, "late")]).await, "a second is ignored");
    assert_eq!(same, answered);
    let stored = ok(store.answers(id).await, "answers are read");
    assert_eq!(stored, [answer(0, "zero"), answer(7, "seven")], "in the order of their questions");
    assert_eq!(ok(store.read(id).await, "read"), answered);

    // A question with an answer does not open again.
    let again = open(store, &answered, &[0, 1, 7]).await;
    assert_eq!(again.open, [1]);
    let same = ok(store.answer(id, vec![answer(0, "late")]).await, "ignored");
    assert_eq!(same, again);

    let end = TaskStep { state: TaskState::Completed, open: vec![1], ..step(&again) };
    let ended = ok(store.advance(id, end).await, "it ends");
    assert!(ended.open.is_empty(), "a task that has ended asks nothing");
    let same = ok(store.answer(id, vec![answer(1, "late")]).await, "an answer after the end is ignored");
    assert_eq!(same, ended);
    assert!(ok(store.answers(id).await, "read").is_empty(), "answers are deleted at the end");
    ok(store.delete(id).await, "deleted");
}

/// A question that a step names no more is closed, until one names it again.
async fn withdrawn(store: &Store) {
    let record = create(store).await;
    let id = &*record.id;
    let record = open(store, &record, &[0, 1]).await;
    let record = open(store, &record, &[1]).await;
    let same = ok(store.answer(id, vec![answer(0, "late")]).await, "its answer is ignored");
    assert_eq!(same, record);
    open(store, &record, &[0, 1]).await;
    let record = ok(store.answer(id, vec![answer(0, "zero")]).await, "it was asked again");
    assert_eq!(record.open, [1]);
    assert_eq!(ok(store.answers(id).await, "read"), [answer(0, "zero")]);
    ok(store.delete(id).await, "deleted");
}

/// Of many answers at once, one is stored.
async fn at_once(store: &Store) {
    let record = create(store).await;
    let record = open(store, &record, &[4]).await;
    let id = &*record.id;
    let outcomes = super::at_once(|rival| {
        let (store, id) = (Arc::clone(store), id.to_owned());
        let answers = vec![TaskAnswer { question: 4, answer: vec![rival].into() }];
        async move { store.answer(&id, answers).await }
    })
    .await;
    for outcome in outcomes {
        let now = ok(outcome, "an answer");
        assert_eq!((now.version, now.open.len()), (record.version + 1, 0), "one answer is stored");
    }
    assert_eq!(ok(store.answers(id).await, "read").len(), 1);
    ok(store.delete(id).await, "deleted");
}
