//! Creating tasks, moving them on, and their end.

use std::sync::Arc;
use std::time::Duration;

use super::{LONG, SHORT, Store, conflict, create, fails, new_task, ok, step, text, until_gone};
use crate::task::{NewTask, TaskState, TaskStep, TaskStoreError};

pub(super) async fn check(store: &Store) {
    life(store).await;
    ids(store).await;
    compare_and_set(store).await;
    one_end(store).await;
    expiry(store).await;
}

async fn life(store: &Store) {
    for owner in [Some([1; 32]), None] {
        let task = NewTask { owner, ..new_task() };
        let id = task.id.clone();
        let created = ok(store.create(task).await, "a task is created");
        assert_eq!(created.id, id);
        assert_eq!(created.owner, owner);
        assert_eq!((created.state, created.version, created.token), (TaskState::Running, 1, 1));
        assert_eq!((created.open.as_slice(), &created.data), (&[][..], &text("created")));
        assert_eq!(created.created_at, created.updated_at);
        let kept = Duration::from_millis(created.expires_at - created.created_at);
        let leased = Duration::from_millis(created.leased_until - created.created_at);
        assert_eq!((kept, leased), (LONG, LONG));
        assert_eq!(ok(store.read(&id).await, "it is read"), created);

        let moved = ok(store.advance(&id, step(&created)).await, "it moves on");
        assert_eq!((moved.version, &moved.data), (2, &text("moved on")));
        assert_eq!((moved.created_at, moved.expires_at), (created.created_at, created.expires_at));
        assert!(moved.updated_at >= created.updated_at);
        assert_eq!(ok(store.read(&id).await, "it is read"), moved);

        for state in [TaskState::Completed, TaskState::Failed, TaskState::Cancelled] {
            let task = NewTask { owner, ..new_task() };
            let running = ok(store.create(task).await, "a task is created");
            let end = TaskStep { state, data: text("ended"), ..step(&running) };
            let ended = ok(store.advance(&running.id, end).await, "it ends");
            assert_eq!((ended.state, ended.version, &ended.data), (state, 2, &text("ended")));
            assert_eq!(ended.leased_until, 0, "the lease of a task ends with it");
            for again in [TaskState::Running, TaskState::Completed, TaskState::Failed, TaskState::Cancelled] {
                for token in [None, Some(ended.token), Some(99)] {
                    let change = TaskStep { state: again, token, ..step(&ended) };
                    let same = conflict(store.advance(&ended.id, change).await, "a final state is final");
                    assert_eq!(same, ended);
                }
            }
            assert_eq!(conflict(store.take(&ended.id, LONG).await, "nobody takes it"), ended);
            assert_eq!(conflict(store.renew(&ended.id, ended.token, LONG).await, "nor renews it"), ended);
            conflict(store.release(&ended.id, ended.token).await, "nor releases it");
            assert_eq!(ok(store.read(&ended.id).await, "it is still read"), ended);
            ok(store.delete(&ended.id).await, "a task that has ended is deleted");
        }
        ok(store.delete(&id).await, "a running task is deleted");
        fails(store.read(&id).await, "NotFound", "what is deleted is gone");
        ok(store.delete(&id).await, "it can be deleted again");
    }
}

/// Ids are taken once, and unknown ones are not found by any method.
async fn ids(store: &Store) {
    let record = create(store).await;
    let twin = NewTask { id: record.id.clone(), data: text("twin"), ..new_task() };
    assert_eq!(conflict(store.create(twin).await, "an id is taken once"), record);
    ok(store.delete(&record.id).await, "it is deleted");
    let id = &*record.id;
    fails(store.read(id).await, "NotFound", "read");
    fails(store.advance(id, step(&record)).await, "NotFound", "advance");
    fails(store.answer(id, Vec::new()).await, "NotFound", "answer");
    fails(store.answers(id).await, "NotFound", "answers");
    fails(store.take(id, LONG).await, "NotFound", "take");
    fails(store.renew(id, 1, LONG).await, "NotFound", "renew");
    fails(store.release(id, 1).await, "NotFound", "release");
}

/// Of many steps from the same version, one succeeds, and the others learn what it did.
async fn compare_and_set(store: &Store) {
    let record = create(store).await;
    let id = &*record.id;
    let outcomes = super::at_once(|rival| {
        let (store, record) = (Arc::clone(store), record.clone());
        async move {
            let step = TaskStep { data: vec![rival].into(), ..step(&record) };
            store.advance(&record.id, step).await
        }
    })
    .await;
    let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "of many steps from one version, one succeeds: {outcomes:?}");
    for outcome in &outcomes {
        if let Err(error) = outcome {
            let TaskStoreError::Conflict(now) = error else { panic!("expected Conflict: {error:?}") };
            assert_eq!(&**now, won[0], "a conflict has the task as it is");
        }
    }
    assert_eq!(&ok(store.read(id).await, "read"), won[0]);
    let stale = TaskStep { version: 1, ..step(&record) };
    conflict(store.advance(id, stale).await, "an older version is refused");
    let early = TaskStep { version: 3, ..step(&record) };
    conflict(store.advance(id, early).await, "a later version is refused");
    ok(store.delete(id).await, "deleted");
}

/// A task that is completed and cancelled at the same time ends once.
async fn one_end(store: &Store) {
    let record = create(store).await;
    let id = &*record.id;
    let outcomes = super::at_once(|rival| {
        let (store, record) = (Arc::clone(store), record.clone());
        let state = if rival % 2 == 0 { TaskState::Completed } else { TaskState::Cancelled };
        let token = (rival % 2 == 0).then_some(record.token);
        async move { store.advance(&record.id, TaskStep { token, state, ..step(&record) }).await }
    })
    .await;
    let ends: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(ends.len(), 1, "a task ends once: {outcomes:?}");
    assert_eq!(&ok(store.read(id).await, "read"), ends[0]);
    ok(store.delete(id).await, "deleted");
}

async fn expiry(store: &Store) {
    for state in [TaskState::Running, TaskState::Completed] {
        let task = NewTask { keep: SHORT, ..new_task() };
        let record = ok(store.create(task).await, "a task is created");
        let end = TaskStep { state, ..step(&record) };
        ok(store.advance(&record.id, end).await, "it moves on");
        until_gone(store, &record.id).await;
        fails(store.advance(&record.id, step(&record)).await, "NotFound", "what has expired is gone");
        fails(store.renew(&record.id, 1, LONG).await, "NotFound", "and is not renewed");
        ok(store.create(NewTask { id: record.id.clone(), ..new_task() }).await, "its id is free");
        ok(store.delete(&record.id).await, "deleted");
    }
    // A step may keep a task longer, or less long.
    let task = NewTask { keep: SHORT, ..new_task() };
    let record = ok(store.create(task).await, "a task is created");
    let longer = TaskStep { keep: Some(LONG), ..step(&record) };
    let longer = ok(store.advance(&record.id, longer).await, "it is kept longer");
    assert!(longer.expires_at >= record.created_at + 3_600_000, "{longer:?}");
    tokio::time::sleep(2 * SHORT).await;
    let record = ok(store.read(&record.id).await, "what is kept longer is still there");
    let shorter = TaskStep { keep: Some(SHORT), state: TaskState::Completed, ..step(&record) };
    ok(store.advance(&record.id, shorter).await, "it is kept less long");
    until_gone(store, &record.id).await;
}
