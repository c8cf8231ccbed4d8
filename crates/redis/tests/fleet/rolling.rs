//! A rolling restart of all replicas.

use std::time::Duration;

use serde_json::json;
use tokio::task::{JoinSet, LocalSet};

use crate::client::Client;
use crate::load::{self, Goes, Sums};
use crate::processes::{Fleet, Times};
use crate::report::Report;
use crate::tasks::{self, End};

/// Longer than the test, so that tasks can only continue elsewhere if they are handed over.
const LEASE: u64 = 60;

#[tokio::test]
async fn a_rolling_restart_of_all_replicas_fails_no_request() {
    LocalSet::new().run_until(restart_all()).await;
}

async fn restart_all() {
    let mut fleet = Fleet::start("rolling", Times { lease: LEASE, announce: 2 }).await;
    let report = Report::new();
    let (goes, sums) = (Goes::default(), Sums::default());
    let client = |caller| Client::new(fleet.nginx.port, caller, &report);
    let mut clients = JoinSet::new();
    for caller in ["ada", "bob"] {
        clients.spawn_local(load::add(client(caller), goes.clone()));
        clients.spawn_local(load::pause(client(caller), goes.clone()));
        clients.spawn_local(load::order(client(caller), goes.clone()));
        clients.spawn_local(load::order_legacy(client(caller), goes.clone()));
        clients.spawn_local(load::listen(client(caller), sums.clone(), goes.clone()));
    }
    clients.spawn_local(load::count(client("ada"), sums.clone(), goes.clone()));
    // Long enough that some tasks are running whenever a replica stops.
    let mut workers = JoinSet::new();
    for number in 0..16_u32 {
        let client = client("ada");
        workers.spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(400) * number).await;
            let work = |_| json!({"number": number, "milliseconds": 4000});
            let (_, end) = tasks::run(&client, "square", work).await;
            let End::Completed(result) = end else { panic!("a task fails") };
            assert_eq!(result["content"][0]["text"], (number * number).to_string());
        });
    }
    let ports = fleet.ports();
    for at in 0..ports.len() {
        // nginx first, then the replica, which continues to serve for a moment: old workers of nginx have
        // accepted connections whose requests have not arrived yet.
        let others: Vec<_> = ports.iter().copied().filter(|port| *port != ports[at]).collect();
        fleet.nginx.balance(&others).await;
        fleet.replicas[at].stop().await;
        fleet.replicas[at].start().await;
        fleet.nginx.balance(&ports).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    workers.join_all().await;
    goes.stop();
    clients.join_all().await;
    println!("{report}");
    report.assert_faultless(|| fleet.log());
    assert_eq!(report.retried(), 0, "{report}");
    // All tasks ended before a lease could expire.
    assert!(report.seconds() < LEASE, "{report}");
    assert!(report.moves() > 0, "no task was handed over: {report}");
}
