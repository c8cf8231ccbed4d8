//! How tasks end: cancelled, too late, expired, and while the store is away.

use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::protocol::ErrorCode;
use mcp_stateless::task::{LocalTaskStore, TaskMode};
use mcp_stateless::testing::TestClient;
use mcp_stateless::{Tool, ToolRegistry};
use serde_json::json;

use super::flaky::Flaky;
use super::{Fleet, alone, status};

#[tokio::test(start_paused = true)]
async fn cancelling_drops_the_work_wherever_it_runs() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.replica().client(), fleet.replica().client());
    let reply = one.call("required", json!({"seconds": 1000})).await;
    let id = reply.task_id();
    fleet.probe.until(|probe| probe.running() == 1).await;
    other.cancel_task(id).await;
    assert_eq!(status(&one.task(id).await), ("cancelled", Some("Cancelled at the client's request")));
    fleet.probe.until(|probe| probe.running() == 0).await;
    assert_eq!(fleet.probe.finished(), 0);
    other.cancel_task(id).await;
    assert_eq!(status(&one.task(id).await).0, "cancelled");

    // A task that waits for an answer, as well.
    let reply = one.call("confirm", json!({})).await;
    other.cancel_task(reply.task_id()).await;
    let answer = json!({"action": "accept", "content": {"really": true}});
    other.answer_task(reply.task_id(), "confirm", answer).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(status(&one.task(reply.task_id()).await).0, "cancelled");
}

#[tokio::test(start_paused = true)]
async fn cancelling_drops_the_work_of_a_detached_tool() {
    let fleet = Fleet::new();
    for mode in [TaskMode::WhenSlow, TaskMode::Required] {
        let detached = Tool::new("detached", "Wait for ever", {
            let probe = fleet.probe.clone();
            move || {
                let probe = probe.clone();
                async move {
                    let _running = probe.run();
                    std::future::pending::<()>().await;
                }
            }
        });
        let tools =
            ToolRegistry::builder().register(detached.detached().task_mode(mode)).build().expect("valid");
        let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(1));
        let client =
            TestClient::with_manager(fleet.replica_with(set, |builder| builder).manager, tools).tasks();
        let reply = client.call("detached", json!({})).await;
        fleet.probe.until(|probe| probe.running() == 1).await;
        client.cancel_task(reply.task_id()).await;
        fleet.probe.until(|probe| probe.running() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_is_stopped() {
    let fleet = Fleet::new();
    let set = |tasks: mcp_stateless::task::Tasks| tasks.time_limit(Duration::from_secs(60));
    let replica = fleet.replica_with(set, |builder| builder);
    let client = replica.client();
    let reply = client.call("required", json!({"seconds": 1000})).await;
    let stopped = client.finish_task(reply.task_id()).await;
    assert!(stopped.is_error());
    assert_eq!(stopped.text(), "The call was stopped: it took longer than its limit of 60s");
    assert_eq!(fleet.probe.running(), 0);
    // The limit of a tool itself goes before.
    let own = Tool::new("own", "", async || tokio::time::sleep(Duration::from_secs(80)).await);
    let own = own.task_mode(TaskMode::Required).time_limit(Some(Duration::from_secs(100)));
    let tools = ToolRegistry::builder().register(own).build().expect("valid");
    let client = TestClient::with_manager(replica.manager, tools).tasks();
    let reply = client.call("own", json!({})).await;
    assert_eq!(reply.result()["ttlMs"], 3_700_000);
    assert!(!client.finish_task(reply.task_id()).await.is_error());
}

#[tokio::test(start_paused = true)]
async fn a_task_is_kept_for_its_time_and_then_gone() {
    let fleet = Fleet::new();
    let set = |tasks: mcp_stateless::task::Tasks| {
        tasks.time_limit(Duration::from_secs(100)).keep_results_for(Duration::from_secs(50))
    };
    let client = fleet.replica_with(set, |builder| builder).client();
    let reply = client.call("required", json!({"seconds": 1})).await;
    assert_eq!(reply.result()["ttlMs"], 150_000);
    let id = reply.task_id();
    tokio::time::sleep(Duration::from_secs(149)).await;
    assert_eq!(status(&client.task(id).await).0, "completed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for method in ["tasks/get", "tasks/cancel"] {
        let gone = client.request(method, json!({"taskId": id})).await;
        assert_eq!(gone.error().0, ErrorCode::INVALID_PARAMS);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_final_is_lost_while_the_store_is_away() {
    let store = Flaky::new();
    let fleet = Fleet::with_store(store.clone());
    let client = fleet.replica().client();
    let reply = client.call("required", json!({"seconds": 10})).await;
    let id = reply.task_id();
    store.set_down(true);
    let away = client.request("tasks/get", json!({"taskId": id})).await;
    assert_eq!((away.status.as_u16(), away.error().0), (503, ErrorCode::INTERNAL_ERROR));
    fleet.probe.until(|probe| probe.finished() == 1).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    store.set_down(false);
    assert_eq!(client.finish_task(id).await.text(), "after 10 s");
    // Answers of the store that are lost change nothing.
    let reply = client.call("required", json!({"seconds": 10})).await;
    let task = client.task(reply.task_id()).await;
    assert_eq!(status(&task).0, "working");
    store.lose(3);
    tokio::time::sleep(Duration::from_secs(60)).await;
    store.lose(0);
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "after 10 s");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_calls_go_on_that_need_no_task() {
    let store = Flaky::new();
    let fleet = Fleet::with_store(store.clone());
    let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(1));
    let client = fleet.replica_with(set, |builder| builder).client();
    store.set_down(true);
    for tool in ["slow", "preferred"] {
        assert_eq!(client.call(tool, json!({"seconds": 100})).await.text(), "after 100 s");
    }
    let refused = client.call("required", json!({"seconds": 100})).await;
    assert_eq!((refused.status.as_u16(), refused.error().0), (503, ErrorCode::INTERNAL_ERROR));
    assert!(refused.error().1.contains("try again later"));
    assert_eq!(fleet.probe.finished(), 2);
    let asked = client.accept(json!({"name": "Ada"})).call("decide", json!({})).await;
    assert!(asked.error().1.contains("cannot run as a task now"), "{:?}", asked.message);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_store_has_no_room_for_is_an_error() {
    let store = LocalTaskStore::with_capacity(64, 64 * 1024);
    let fleet = Fleet::with_store(Arc::new(store));
    let big = Tool::new("big", "Much", async || "x".repeat(100_000)).task_mode(TaskMode::Required);
    let tools = ToolRegistry::builder().register(big).build().expect("valid");
    let client = TestClient::with_manager(fleet.replica().manager, tools).tasks();
    let reply = client.call("big", json!({})).await;
    let reply = client.finish_task(reply.task_id()).await;
    assert_eq!(reply.error(), (ErrorCode::INTERNAL_ERROR, "The result is larger than the server can store"));
}

#[tokio::test(start_paused = true)]
async fn nothing_remains_of_tasks_that_have_ended() {
    let replica = alone(|tasks| tasks);
    let client = replica.client().accept(json!({"really": false}));
    for tool in ["confirm", "fail", "panic", "report"] {
        let reply = client.call(tool, json!({})).await;
        client.finish_task(reply.task_id()).await;
    }
    // Neither work nor keepers are in flight.
    assert_eq!(replica.manager.shut_down(Duration::from_secs(1)).await, 0);
}
