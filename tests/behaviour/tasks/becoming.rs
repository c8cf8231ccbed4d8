//! Which calls become tasks, and when.

use std::time::Duration;

use mcp_stateless::protocol::ErrorCode;
use mcp_stateless::task::TaskMode;
use mcp_stateless::testing::{self, TestClient};
use mcp_stateless::{Tool, ToolRegistry};
use serde_json::json;

use super::{Fleet, alone, status};

#[tokio::test(start_paused = true)]
async fn the_mode_of_a_tool_says_whether_its_calls_are_tasks() {
    let replica = alone(|tasks| tasks);
    let client = replica.client();
    let seconds = json!({"seconds": 100});
    for (tool, is_task) in [("never", false), ("slow", false), ("preferred", true), ("required", true)] {
        let reply = client.call(tool, seconds.clone()).await;
        assert_eq!(reply.result()["resultType"] == "task", is_task, "{tool}");
        let reply = if is_task { client.finish_task(reply.task_id()).await } else { reply };
        assert_eq!(reply.text(), "after 100 s");
    }
    let without = TestClient::with_manager(replica.manager, replica.tools);
    for tool in ["never", "slow", "preferred"] {
        assert_eq!(without.call(tool, seconds.clone()).await.text(), "after 100 s");
    }
    assert_eq!(without.call("required", seconds).await.error().0, ErrorCode::MISSING_CLIENT_CAPABILITY);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_goes_on_as_a_task_and_nothing_runs_twice() {
    let fleet = Fleet::new();
    let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(10));
    let replica = fleet.replica_with(set, |builder| builder);
    let client = replica.client();
    assert_eq!(client.call("slow", json!({"seconds": 9})).await.text(), "after 9 s");
    assert_eq!(client.call("never", json!({"seconds": 20})).await.text(), "after 20 s");
    let begun = tokio::time::Instant::now();
    let reply = client.call("slow", json!({"seconds": 3000})).await;
    assert_eq!(begun.elapsed().as_secs(), 10, "the reply does not wait longer");
    assert_eq!(fleet.probe.running(), 1);
    // The limit of calls is five minutes, and that of tasks is an hour.
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "after 3000 s");
    assert!(begun.elapsed().as_secs() < 3010, "it was not begun again");
    assert_eq!((fleet.probe.running(), fleet.probe.finished()), (0, 3));
    let without = TestClient::with_manager(replica.manager, replica.tools);
    assert_eq!(without.call("slow", json!({"seconds": 100})).await.text(), "after 100 s");
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_of_a_detached_tool_has_the_time_of_a_task() {
    let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(10));
    let replica = Fleet::new().replica_with(set, |builder| builder);
    let tool = |name: &str| {
        let slow = async |super::Seconds { seconds }: super::Seconds| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        };
        Tool::new(name, "", slow).detached()
    };
    let tools = ToolRegistry::builder()
        .register(tool("usual"))
        .register(tool("brief").time_limit(Some(Duration::from_secs(60))))
        .register(tool("long").time_limit(Some(Duration::from_secs(7200))))
        .build()
        .expect("valid");
    let client = TestClient::with_manager(replica.manager.clone(), tools.clone()).tasks();
    // The limit of calls is five minutes, and that of tasks is an hour. Limits of tools go before.
    for (tool, seconds, kept, is_stopped) in [
        ("usual", 3000, 7_200_000, false),
        ("usual", 4000, 7_200_000, true),
        ("brief", 100, 3_660_000, true),
        ("long", 7000, 10_800_000, false),
    ] {
        let reply = client.call(tool, json!({"seconds": seconds})).await;
        assert_eq!(reply.result()["ttlMs"], kept, "{tool}");
        let done = client.finish_task(reply.task_id()).await;
        assert_eq!(done.is_error(), is_stopped, "{tool} for {seconds} s: {}", done.message);
    }
    let without = TestClient::with_manager(replica.manager, tools);
    assert!(without.call("usual", json!({"seconds": 400})).await.is_error(), "no task");
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_that_streams_ends_its_stream_with_the_task() {
    let replica = alone(|tasks| tasks.slow_calls_after(Duration::from_secs(10)));
    let client = replica.client();
    let reply = client.call("streamed", json!({})).await;
    assert_eq!(reply.progress.len(), 1, "what was reported before is not lost");
    assert_eq!(status(reply.result()), ("working", Some("streamed")));
    assert_eq!(status(&client.task(reply.task_id()).await), ("working", Some("streamed")));
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "streamed to the end");
}

#[tokio::test(start_paused = true)]
async fn a_handler_decides_that_its_call_becomes_a_task() {
    let replica = alone(|tasks| tasks);
    let client = replica.client().accept(json!({"name": "Ada"}));
    let reply = client.call("decide", json!({})).await;
    assert_eq!(reply.questions, 1, "it asks before it is a task");
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "Hello, Ada");

    let without = TestClient::with_manager(replica.manager, replica.tools).accept(json!({"name": "Ada"}));
    assert_eq!(without.call("decide", json!({})).await.error().0, ErrorCode::MISSING_CLIENT_CAPABILITY);
    // In a unit test it always may.
    assert!(testing::context().cx().become_task().await.is_ok());
}

struct Reports;

#[mcp_stateless::tools]
impl Reports {
    /// Write a report
    #[tool(task_mode = TaskMode::Required)]
    fn write() -> &'static str {
        "written"
    }
}

#[tokio::test(start_paused = true)]
async fn the_mode_of_a_method_is_set_by_its_attribute() {
    let tools = Reports::tools().build().expect("valid tools");
    let client = TestClient::with_manager(alone(|tasks| tasks).manager, tools).tasks();
    let reply = client.call("write", json!({})).await;
    assert_eq!(client.finish_task(reply.task_id()).await.text(), "written");
}

#[tokio::test(start_paused = true)]
async fn progress_becomes_the_status_message() {
    let replica = alone(|tasks| tasks);
    let client = replica.client();
    let reply = client.call("report", json!({})).await;
    let id = reply.task_id();
    for message in ["starting", "2 of 4", "3"] {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(status(&client.task(id).await), ("working", Some(message)));
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let reply = client.finish_task(id).await;
    assert_eq!(reply.text(), "reported");
    assert!(reply.logs.is_empty() && reply.progress.is_empty());
    assert_eq!(status(&client.task(id).await), ("completed", None));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_before_the_reply_leaves_no_task() {
    let fleet = Fleet::new();
    let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(10));
    let replica = fleet.replica_with(set, |builder| builder);
    let client = replica.client();
    let call = tokio::spawn(async move { client.call("slow", json!({"seconds": 100})).await });
    fleet.probe.until(|probe| probe.running() == 1).await;
    call.abort();
    fleet.probe.until(|probe| probe.running() == 0).await;
    assert_eq!(fleet.probe.finished(), 0);
    assert_eq!(replica.manager.shut_down(Duration::ZERO).await, 0);
}
