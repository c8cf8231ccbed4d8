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
