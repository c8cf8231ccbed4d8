//! What is observed of tasks.

use std::time::Duration;

use mcp_stateless::task::TaskMode;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{Tool, ToolRegistry};
use serde_json::json;

use super::Fleet;
use crate::observing::Notes;
use crate::recorder::Recorder;

#[tokio::test(start_paused = true)]
async fn tasks_are_counted_with_how_they_end() {
    let (fleet, notes) = (Fleet::new(), Notes::default());
    let replica = fleet.replica_with(|tasks| tasks, |builder| builder.observer(notes.clone()));
    let client = replica.client();
    for (tool, cancels, end) in
        [("required", false, "completed"), ("required", true, "gone"), ("refuse", false, "failed")]
    {
        let reply = client.call(tool, json!({"seconds": 1000})).await;
        notes.until("task started\n").await;
        if cancels {
            client.cancel_task(reply.task_id()).await;
        } else {
            client.finish_task(reply.task_id()).await;
        }
        notes.until(&format!("task {end}\n")).await;
        notes.take();
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_has_a_span_that_outlives_that_of_its_call() {
    let recorder = Recorder::default();
    let _guard = recorder.keep();
    let logger = async || {
        tokio::time::sleep(Duration::from_secs(100)).await;
        tracing::info!("at work");
        "done"
    };
    let tools = ToolRegistry::builder()
        .register(Tool::new("logger", "", logger).task_mode(TaskMode::Required))
        .build()
        .expect("valid tools");
    let client = TestClient::with_manager(Fleet::new().replica().manager, tools).tasks();
    let reply = client.call("logger", json!({})).await;
    let spans = recorder.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect("a span");
    let (request, task) = (named("mcp.request"), named("mcp.task"));
    assert!(request.is_closed && !task.is_closed && task.parent.is_none(), "{spans:#?}");
    assert!(!request.fields.contains_key("error.type"), "{request:?}");
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "done");
    let events = recorder.events();
    let at_work = events.iter().find(|event| event.fields["message"] == "at work").expect("an event");
    assert_eq!(at_work.span, Some(task.id));
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_end_is_stored_although_the_store_says_nothing_counts_as_ended() {
    let store = super::flaky::Flaky::new();
    let (fleet, notes) = (Fleet::with_store(store.clone()), Notes::default());
    let replica = fleet.replica_with(|tasks| tasks, |builder| builder.observer(notes.clone()));
    let client = replica.client();
    let reply = client.call("required", json!({"seconds": 5})).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    store.lose(1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "after 5 s");
    notes.until("task completed\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_shares_its_tasks_and_takes_up_none_says_so_once() {
    let recorder = Recorder::default();
    let _guard = recorder.keep();
    let told = || {
        let is_it = |event: &&crate::recorder::EventRecord| event.fields["message"].contains("does not run");
        recorder.events().iter().filter(is_it).count()
    };
    let fleet = Fleet::new();
    let alone = mcp_stateless::StatelessSessionManager::builder("single", "0.0.1");
    let alone = alone.tasks(mcp_stateless::task::Tasks::in_process()).build().expect("valid settings");
    let alone = super::Replica { manager: alone, tools: super::tools(&fleet.probe) };
    let runs = fleet.replica();
    runs.run_tasks();
    tokio::task::yield_now().await;
    for replica in [&alone, &runs] {
        replica.client().call("required", json!({"seconds": 5})).await.task_id();
    }
    assert_eq!(told(), 0);
    let only_serves = fleet.replica();
    for _ in 0..2 {
        only_serves.client().call("required", json!({"seconds": 5})).await.task_id();
    }
    assert_eq!(told(), 1);
}
