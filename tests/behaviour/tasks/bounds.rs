//! How many tasks there are.

use std::time::Duration;

use serde_json::json;

use super::{Fleet, alone};

#[tokio::test(start_paused = true)]
async fn no_more_tasks_run_than_may_and_no_caller_has_them_all() {
    let fleet = Fleet::new();
    let set = |tasks: mcp_stateless::task::Tasks| {
        tasks.max_running(3).max_running_per_principal(2).slow_calls_after(Duration::from_secs(1))
    };
    let replica = fleet.replica_with(set, |builder| builder);
    let [alice, bob] = ["alice", "bob"].map(|name| replica.client().principal(name));
    let long = json!({"seconds": 1000});
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(alice.call("required", long.clone()).await.task_id().to_owned());
    }
    let refused = alice.call("required", long.clone()).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert!(refused.error().1.contains("`max_running_per_principal`"), "{:?}", refused.message);
    // Those that need not be tasks go on without.
    assert_eq!(alice.call("preferred", json!({"seconds": 5})).await.text(), "after 5 s");
    assert_eq!(alice.call("slow", json!({"seconds": 5})).await.text(), "after 5 s");

    bob.call("required", long.clone()).await.task_id();
    let refused = bob.call("required", long.clone()).await;
    assert_eq!(refused.status.as_u16(), 503);
    // Unknown callers take no places of known ones.
    let unknown = replica.client();
    for _ in 0..3 {
        unknown.call("required", long.clone()).await.task_id();
    }
    assert_eq!(unknown.call("required", long.clone()).await.status.as_u16(), 503);

    alice.cancel_task(&tasks[0]).await;
    fleet.probe.until(|probe| probe.running() == 5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    bob.call("required", long).await.task_id();
}

#[tokio::test(start_paused = true)]
async fn a_task_that_asks_without_end_is_stopped() {
    use mcp_stateless::ask::Question;
    use mcp_stateless::{CallContext, Tool, ToolError, ToolRegistry};
    let ask = async |cx: CallContext| -> Result<(), ToolError> {
        loop {
            let question = Question::roots();
            let _ = tokio::time::timeout(Duration::from_millis(1), cx.ask_json("roots", question))
                .await
                .ok()
                .transpose()?;
        }
    };
    let tools = ToolRegistry::builder()
        .register(Tool::new("ask", "Ask", ask).task_mode(mcp_stateless::task::TaskMode::Required))
        .build()
        .expect("valid");
    let manager = alone(|tasks| tasks).manager;
    let client = mcp_stateless::testing::TestClient::with_manager(manager, tools).tasks();
    let reply = client.call("ask", json!({})).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let done = client.finish_task(reply.task_id()).await;
    assert!(done.text().contains("no more than 256 questions"), "{}", done.text());
}
