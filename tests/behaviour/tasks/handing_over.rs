//! Shutting down while tasks run.

use std::time::Duration;

use mcp_stateless::StatelessSessionManager;
use mcp_stateless::task::Tasks;
use mcp_stateless::testing::TestClient;
use serde_json::json;

use super::{Fleet, status};

#[tokio::test(start_paused = true)]
async fn tasks_that_may_be_repeated_are_handed_over_at_once() {
    let fleet = Fleet::new();
    let (first, second) = (fleet.replica(), fleet.replica());
    let id = first.client().call("idempotent", json!({"seconds": 100})).await.task_id().to_owned();
    let asked = first.client().call("confirm", json!({})).await.task_id().to_owned();
    fleet.probe.until(|probe| probe.running() == 1).await;
    second.run_tasks();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(first.manager.shut_down(Duration::from_secs(60)).await, 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "nothing is waited for");
    let client = second.client().accept(json!({"really": true}));
    assert_eq!(client.finish_task(&id).await.text(), "after 100 s");
    assert!(begun.elapsed() < Duration::from_secs(102), "it is taken up at once");
    assert_eq!(fleet.probe.finished(), 1);
    assert_eq!(client.finish_task(&asked).await.text(), "really: true");
}

#[tokio::test(start_paused = true)]
async fn questions_stay_open_while_a_task_is_handed_over() {
    let fleet = Fleet::new();
    let (first, second) = (fleet.replica(), fleet.replica());
    let id = first.client().call("confirm", json!({})).await.task_id().to_owned();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = second.client().task(&id).await["inputRequests"].clone();
    assert_eq!(first.manager.shut_down(Duration::from_secs(60)).await, 0);
    // Nobody runs it now.
    let task = second.client().task(&id).await;
    assert_eq!((&task["inputRequests"], status(&task).0), (&asked, "input_required"));
    let answer = json!({"action": "accept", "content": {"really": true}});
    second.client().answer_task(&id, "confirm", answer).await;
    second.run_tasks();
    let done = second.client().finish_task(&id).await;
    assert_eq!((done.text().as_str(), done.questions), ("really: true", 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_handed_over_often_is_not_given_up() {
    let fleet = Fleet::new();
    let mut replica = fleet.replica();
    let id = replica.client().call("idempotent", json!({"seconds": 60})).await.task_id().to_owned();
    for _ in 0..10 {
        let runs = fleet.probe.until(|probe| probe.running() == 1);
        tokio::time::timeout(Duration::from_secs(600), runs).await.expect("it goes on");
        let next = fleet.replica();
        next.run_tasks();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(replica.manager.shut_down(Duration::from_secs(60)).await, 0);
        replica = next;
    }
    assert_eq!(replica.client().finish_task(&id).await.text(), "after 60 s");
}

#[tokio::test(start_paused = true)]
async fn other_tasks_may_finish_and_are_failed_at_the_deadline() {
    let fleet = Fleet::new();
    let (first, second) = (fleet.replica(), fleet.replica());
    let brief = first.client().call("required", json!({"seconds": 20})).await.task_id().to_owned();
    let long = first.client().call("required", json!({"seconds": 1000})).await.task_id().to_owned();
    fleet.probe.until(|probe| probe.running() == 2).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(first.manager.shut_down(Duration::from_secs(60)).await, 0);
    assert!(begun.elapsed() <= Duration::from_secs(60));
    assert_eq!(second.client().finish_task(&brief).await.text(), "after 20 s");
    let task = second.client().task(&long).await;
    assert!(
        status(&task).0 == "failed" && status(&task).1.is_some_and(|it| it.contains("shut down")),
        "{task}"
    );
    assert_eq!(fleet.probe.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_single_process_may_finish() {
    let fleet = Fleet::new();
    let manager = StatelessSessionManager::builder("single", "0.0.1").tasks(Tasks::in_process()).build();
    let manager = manager.expect("valid settings");
    let client = TestClient::with_manager(manager.clone(), super::tools(&fleet.probe)).tasks();
    client.call("idempotent", json!({"seconds": 20})).await.task_id();
    assert_eq!(manager.shut_down(Duration::from_secs(60)).await, 0);
    assert_eq!(fleet.probe.finished(), 1);
}
