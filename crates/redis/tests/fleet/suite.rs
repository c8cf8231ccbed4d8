//! The official conformance suite.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use test_support::proxy::Proxy;
use test_support::suite;

use crate::processes::{Fleet, Replica, Times};

#[tokio::test]
async fn the_official_scenarios_for_tasks_pass_against_one_replica_and_three() {
    let fleet = Fleet::start("suite", Times { lease: 30, announce: 0 }).await;
    let one = fleet.replicas[0].url();
    // Every request goes to the next replica, whoever has created the task.
    let urls: Vec<_> = fleet.replicas.iter().map(Replica::url).collect();
    let three = Proxy::start(urls.iter().map(String::as_str)).await;
    // Most of their time they wait.
    let all = [("one", &*one), ("three", three.url())].into_iter().flat_map(|(replicas, url)| {
        suite::TASKS.map(|scenario| async move {
            suite::passes(url, &format!("{scenario}-on-{replicas}"), scenario).await;
        })
    });
    join_all(all).await;
    for url in [&*one, three.url()] {
        suite::conforms_to(url, suite::TASK_NOTIFICATIONS, suite::TASK_NOTIFICATIONS).await;
    }
    let replicas: BTreeSet<usize> = three.seen().iter().map(|exchange| exchange.replica).collect();
    assert_eq!(replicas, BTreeSet::from([0, 1, 2]), "all replicas took part");
}
