//! Leases and their tokens.

use std::sync::Arc;
use std::time::Duration;

use super::{LONG, SHORT, Store, create, fails, new_task, ok, step, text, until};
use crate::task::{NewTask, TaskState, TaskStep, TaskStoreError};

/// More than a test leaves behind.
const MANY: usize = 10_000;

pub(super) async fn check(store: &Store) {
    taken(store).await;
    renewed(store).await;
    released(store).await;
    at_once(store).await;
    listed(store).await;
}

async fn is_expired(store: &Store, id: &str) -> bool {
    ok(store.expired(MANY).await, "expired leases").iter().any(|other| other == id)
}

async fn until_expired(store: &Store, id: &str) {
    until("a lease expires", async || is_expired(store, id).await.then_some(())).await;
}

/// A lease whose time is over is taken, and its former holder can do nothing more.
async fn taken(store: &Store) {
    let record = ok(store.create(NewTask { lease: SHORT, ..new_task() }).await, "created");
    let id = &*record.id;
    fails(store.take(id, LONG).await, "Leased", "a lease that runs is not taken");
    assert!(!is_expired(store, id).await, "nor listed");
    until_expired(store, id).await;

    // Until someone takes it, its holder may go on.
    let late = TaskStep { token: Some(1), ..step(&record) };
    let late = ok(store.advance(id, late).await, "a late holder moves on");
    let taken = ok(store.take(id, LONG).await, "it is taken");
    assert_eq!((taken.record.token, taken.record.version), (2, late.version));
    assert_eq!((&taken.call, &taken.record.data), (&text("call"), &text("moved on")));
    assert_eq!(ok(store.read(id).await, "read"), taken.record);
    assert!(!is_expired(store, id).await, "what is taken is not listed");

    let record = taken.record;
    for state in [TaskState::Running, TaskState::Completed] {
        let fenced = TaskStep { token: Some(1), state, ..step(&record) };
        fails(store.advance(id, fenced).await, "Leased", "the former holder does not move on");
    }
    fails(store.renew(id, 1, LONG).await, "Leased", "nor renews");
    fails(store.release(id, 1).await, "Leased", "nor releases");
    fails(store.renew(id, 3, LONG).await, "Leased", "nobody knows the next token");
    let other = TaskStep { token: Some(1), version: 99, ..step(&record) };
    fails(store.advance(id, other).await, "Leased", "the token is checked before the version");
    assert_eq!(ok(store.read(id).await, "read"), record, "it has done nothing");
    let own = TaskStep { token: Some(2), ..step(&record) };
    ok(store.advance(id, own).await, "the holder moves on");
    ok(store.delete(id).await, "deleted");
}

async fn renewed(store: &Store) {
    let record = ok(store.create(NewTask { lease: SHORT, ..new_task() }).await, "created");
    let id = &*record.id;
    let renewed = ok(store.renew(id, 1, LONG).await, "renewed");
    assert!(renewed.leased_until > record.leased_until, "{renewed:?}");
    assert_eq!((renewed.version, renewed.token), (1, 1));
    tokio::time::sleep(2 * SHORT).await;
    assert!(!is_expired(store, id).await, "a renewed lease runs");
    fails(store.take(id, LONG).await, "Leased", "and is not taken");
    ok(store.renew(id, 1, SHORT).await, "it may be made shorter");
    until_expired(store, id).await;
    ok(store.renew(id, 1, LONG).await, "a late holder renews");
    assert!(!is_expired(store, id).await, "then it runs again");
    fails(store.take(id, LONG).await, "Leased", "and is not taken");
    ok(store.delete(id).await, "deleted");
}

async fn released(store: &Store) {
    let record = create(store).await;
    let id = &*record.id;
    ok(store.release(id, 1).await, "released");
    assert!(is_expired(store, id).await, "what is released is listed at once");
    let taken = ok(store.take(id, LONG).await, "and taken");
    assert_eq!((taken.record.token, taken.record.version), (2, 1));
    ok(store.delete(id).await, "deleted");
}

/// Of many that take a lease, one gets it.
async fn at_once(store: &Store) {
    let record = ok(store.create(NewTask { lease: Duration::ZERO, ..new_task() }).await, "created");
    let id = &*record.id;
    let outcomes = super::at_once(|_| {
        let (store, id) = (Arc::clone(store), id.to_owned());
        async move { store.take(&id, LONG).await }
    })
    .await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(taken, 1, "one takes it: {outcomes:?}");
    for outcome in outcomes {
        match outcome {
            Ok(taken) => assert_eq!(taken.record.token, 2),
            Err(TaskStoreError::Leased) => {}
            Err(error) => panic!("the others do not: {error:?}"),
        }
    }
    ok(store.delete(id).await, "deleted");
}

/// Running tasks are listed, those whose lease ended first before others, and no more than wanted.
async fn listed(store: &Store) {
    let mut ids = Vec::new();
    for _ in 0..4 {
        let record = create(store).await;
        ok(store.release(&record.id, 1).await, "released");
        ids.push(record.id);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let listed: Vec<_> = ok(store.expired(MANY).await, "listed");
    let own: Vec<_> = listed.iter().filter(|id| ids.contains(id)).collect();
    assert_eq!(own, ids.iter().collect::<Vec<_>>(), "in the order in which the leases ended");
    assert!(ok(store.expired(2).await, "listed").len() <= 2, "no more than wanted");
    assert!(ok(store.expired(0).await, "listed").is_empty(), "none if none is wanted");

    let record = ok(store.read(&ids[0]).await, "read");
    let end = TaskStep { state: TaskState::Failed, ..step(&record) };
    ok(store.advance(&record.id, end).await, "it ends");
    assert!(!is_expired(store, &ids[0]).await, "what has ended is not listed");
    ok(store.delete(&ids[1]).await, "deleted");
    assert!(!is_expired(store, &ids[1]).await, "what is deleted is not listed");
    let task = NewTask { lease: Duration::ZERO, keep: SHORT, ..new_task() };
    let record = ok(store.create(task).await, "created");
    until("a task expires", async || (!is_expired(store, &record.id).await).then_some(())).await;
    for id in ids {
        ok(store.delete(&id).await, "deleted");
    }
}
