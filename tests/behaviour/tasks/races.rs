//! Steps that meet: of two replicas, of a replica and a client, and of a store that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::request::Parts;
use mcp_stateless::manager::Refusal;
use mcp_stateless::task::TaskStore as _;
use mcp_stateless::testing::{TestClient, TestReply};
use mcp_stateless::{Tool, ToolRegistry};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::flaky::Flaky;
use super::wire::post;
use super::{Fleet, status};
use crate::site::Site;

fn ada() -> Value {
    json!({"action": "accept", "content": {"name": "Ada"}})
}

/// Waits until a task asks, on a replica of the fleet.
async fn asks(fleet: &Fleet, id: &str) {
    let client = fleet.replica().client();
    while status(&client.task(id).await).0 != "input_required" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A call that has been slow, so that its task is being created.
struct Creating {
    store: Arc<Flaky>,
    client: TestClient<ToolRegistry>,
    /// Lets the store create the task.
    gate: Arc<Semaphore>,
    /// Lets the handler end.
    end: Arc<Notify>,
}

impl Creating {
    fn new() -> Self {
        let store = Flaky::new();
        let gate = store.hold("create");
        let end = Arc::<Notify>::default();
        let brief = Tool::new("brief", "End when told", {
            let end = Arc::clone(&end);
            move || {
                let end = Arc::clone(&end);
                async move {
                    end.notified().await;
                    "ended"
                }
            }
        });
        let tools = ToolRegistry::builder().register(brief.idempotent()).build().expect("valid");
        let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(1));
        let replica = Fleet::with_store(store.clone()).replica_with(set, |builder| builder);
        let client = TestClient::with_manager(replica.manager, tools).tasks();
        Self { store, client, gate, end }
    }

    /// Calls the tool, and waits until the store is creating its task.
    async fn call(&self) -> JoinHandle<TestReply> {
        let client = self.client.clone();
        let call = tokio::spawn(async move { client.call("brief", json!({})).await });
        tokio::time::sleep(Duration::from_secs(2)).await;
        call
    }

    /// Requires that there is no task that another replica would take over.
    async fn leaves_no_task(&self) {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(self.store.expired(64).await.expect("available"), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_just_as_its_task_is_created_leaves_no_task() {
    let creating = Creating::new();
    let call = creating.call().await;
    // The store is told first, and neither is polled in between.
    creating.gate.add_permits(1);
    creating.end.notify_one();
    assert_eq!(call.await.expect("no panic").text(), "ended");
    creating.leaves_no_task().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_just_as_its_task_is_created_leaves_no_task() {
    let creating = Creating::new();
    let call = creating.call().await;
    creating.gate.add_permits(1);
    call.abort();
    creating.leaves_no_task().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_leaves_no_task_to_other_replicas() {
    let store = Flaky::new();
    let gate = store.hold("create");
    let set = |tasks: mcp_stateless::task::Tasks| tasks.slow_calls_after(Duration::from_secs(10));
    let replica = Fleet::with_store(store.clone()).replica_with(set, |builder| builder);
    let site = Site { manager: replica.manager, registry: replica.tools };
    let mut call = json!({"name": "streamed", "arguments": {}});
    call["_meta"] = json!({"progressToken": 1});
    let mut wire = site.open(post("tools/call", call)).await;
    assert_eq!(wire.message().await["method"], "notifications/progress");
    let reading = tokio::time::timeout(Duration::from_secs(12), wire.message()).await;
    assert!(reading.is_err(), "the task is being created");
    gate.add_permits(1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.expired(64).await.expect("available"), Vec::<String>::new());
    let result = wire.message().await;
    assert_eq!(result["result"]["content"][0]["text"], "streamed to the end", "{result}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_reaches_its_call_even_if_the_replica_does_not_know_that_it_has_asked() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let id = doomed.replica.client().call("prepared", json!({"seconds": 5})).await.task_id().to_owned();
    tokio::time::sleep(Duration::from_secs(4)).await;
    doomed.way.lose(1);
    asks(&fleet, &id).await;
    let asked = Instant::now();
    let client = fleet.replica().client();
    client.answer_task(&id, "name", ada()).await;
    assert_eq!(client.finish_task(&id).await.text(), "Hello, Ada");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_asks_while_another_one_takes_its_task_is_not_lost() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let id = doomed.replica.client().call("prepared", json!({"seconds": 33})).await.task_id().to_owned();
    // It cannot renew its lease, and does not know that.
    doomed.way.set_down_except("advance");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let way = Flaky::over(Arc::clone(&fleet.store));
    let gate = way.hold("take");
    let second = Fleet { store: way, ..fleet.clone() }.replica();
    second.run_tasks();
    // The second replica has read the task after 31 s.
    asks(&fleet, &id).await;
    gate.add_permits(1);
    fleet.probe.until(|probe| probe.running() == 1).await;
    let client = second.client();
    let task = client.task(&id).await;
    assert_eq!(task["inputRequests"]["name"]["params"]["message"], "Who?", "{task}");
    client.answer_task(&id, "name", ada()).await;
    let done = client.finish_task(&id).await;
    assert_eq!((done.text().as_str(), done.questions), ("Hello, Ada", 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_a_task_is_taken_up_delays_nothing() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("confirm", json!({})).await;
    let second = fleet.replica();
    let chosen = Arc::<AtomicUsize>::default();
    let (manager, tools, client) = (second.manager.clone(), second.tools.clone(), second.client());
    let running = {
        let (id, chosen) = (id.clone(), Arc::clone(&chosen));
        async move {
            let choose = |_: &mut Parts| {
                let (id, chosen, client, tools) = (&id, &chosen, &client, &tools);
                async move {
                    chosen.fetch_add(1, Ordering::SeqCst);
                    let answer = json!({"action": "accept", "content": {"really": true}});
                    client.answer_task(id, "confirm", answer).await;
                    Ok::<_, Refusal>(tools.clone())
                }
            };
            manager.run_tasks_with(choose).await;
        }
    };
    let ends = async {
        while status(&second.client().task(&id).await).0 != "completed" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let limit = tokio::time::timeout(Duration::from_secs(45), ends);
    tokio::select! {
        () = running => unreachable!("it goes on"),
        ended = limit => ended.expect("it is not taken up twice"),
    }
    assert_eq!(chosen.load(Ordering::SeqCst), 1);
}
