//! A new version is rolled out.

use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};

use crate::client::Client;
use crate::load::{self, Goes, Sums};
use crate::processes::Fleet;
use crate::report::Report;
use crate::tasks;

#[tokio::test]
async fn a_rolling_restart_of_all_replicas_fails_no_request() {
    LocalSet::new().run_until(restart_all()).await;
}

async fn restart_all() {
    // The lease is longer than the test: tasks are handed over, not found.
    let mut fleet = Fleet::start("rolling", 60, 60).await;
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
    let mut workers = JoinSet::new();
    for number in 0..16 {
        let client = client("ada");
        workers.spawn_local(async move { tasks::one(&client, number).await });
    }
    let ports = fleet.ports();
    for at in 0..ports.len() {
        // First nginx is told, then the replica. What a real deployment does as well.
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
    assert_eq!(report.tasks_ended(), 16);
    assert_eq!(report.retried(), 0, "{report}");
}
