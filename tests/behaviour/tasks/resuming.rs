//! Replicas that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::request::Parts;
use mcp_stateless::call::Extension;
use mcp_stateless::manager::Refusal;
use mcp_stateless::task::TaskMode;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{CallContext, Principal, Tool, ToolError, ToolRegistry};
use serde_json::json;

use super::{Fleet, status};

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_begun_again_by_another_replica() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("idempotent", json!({"seconds": 1000})).await;
    let (second, third) = (fleet.replica(), fleet.replica());
    second.run_tasks();
    third.run_tasks();
    let begun = tokio::time::Instant::now();
    assert_eq!(second.client().finish_task(&id).await.text(), "after 1000 s");
    assert!(
        begun.elapsed() < Duration::from_secs(1000 + 45),
        "within the lease, and the time between two looks"
    );
    assert_eq!(fleet.probe.finished(), 1, "by one of them");
}

#[tokio::test(start_paused = true)]
async fn any_other_task_is_marked_as_failed() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("required", json!({"seconds": 1000})).await;
    let second = fleet.replica();
    second.run_tasks();
    let reply = second.client().finish_task(&id).await;
    assert!(reply.error().1.contains("cannot be repeated"), "{:?}", reply.message);
    let task = second.client().task(&id).await;
    assert!(status(&task).1.is_some_and(|message| message.contains("has stopped")), "{task}");
    assert_eq!((fleet.probe.running(), fleet.probe.finished()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn answers_outlive_the_replica_that_asked() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("confirm", json!({})).await;
    let second = fleet.replica();
    // The answer comes while nobody runs the task.
    let asked = second.client().task(&id).await;
    assert_eq!(status(&asked).0, "input_required");
    let answer = json!({"action": "accept", "content": {"really": true}});
    second.client().answer_task(&id, "confirm", answer).await;
    second.run_tasks();
    let done = second.client().finish_task(&id).await;
    assert_eq!((done.text().as_str(), done.questions), ("really: true", 0), "it is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_is_the_same_after_its_replica_has_died() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("confirm", json!({})).await;
    let second = fleet.replica();
    let asked = second.client().task(&id).await["inputRequests"].clone();
    second.run_tasks();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(second.client().task(&id).await["inputRequests"], asked);
    assert_eq!(
        second.client().accept(json!({"really": false})).finish_task(&id).await.text(),
        "really: false"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_thought_dead_stops_and_cannot_write_any_more() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let id = doomed.begin("idempotent", json!({"seconds": 100})).await;
    let second = fleet.replica();
    second.run_tasks();
    fleet.probe.until(|probe| probe.running() == 1).await;
    assert_eq!(doomed.probe.running(), 1, "it goes on, as far as it knows");
    tokio::time::sleep(Duration::from_secs(30)).await;
    doomed.way.set_down(false);
    doomed.probe.until(|probe| probe.running() == 0).await;
    assert_eq!((doomed.probe.finished(), fleet.probe.running()), (0, 1));
    assert_eq!(second.client().finish_task(&id).await.text(), "after 100 s");

    // Nor if its call had ended meanwhile.
    let doomed = fleet.doomed();
    let id = doomed.begin("idempotent", json!({"seconds": 35})).await;
    fleet.probe.until(|probe| probe.running() == 1).await;
    doomed.probe.until(|probe| probe.finished() == 1).await;
    doomed.way.set_down(false);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(status(&second.client().task(&id).await).0, "working", "it is the second's to end it");
    assert_eq!(second.client().finish_task(&id).await.text(), "after 35 s");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_away_for_a_short_time_goes_on() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let id = doomed.begin("required", json!({"seconds": 100})).await;
    fleet.replica().run_tasks();
    tokio::time::sleep(Duration::from_secs(15)).await;
    doomed.way.set_down(false);
    assert_eq!(doomed.replica.client().finish_task(&id).await.text(), "after 100 s");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_its_replica_each_time_does_not_end_all() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("idempotent", json!({"seconds": 1000})).await;
    for _ in 0..4 {
        let doomed = fleet.doomed();
        doomed.replica.run_tasks();
        doomed.probe.until(|probe| probe.running() == 1).await;
        doomed.way.set_down(true);
    }
    let last = fleet.replica();
    last.run_tasks();
    let reply = last.client().finish_task(&id).await;
    assert!(reply.error().1.contains("(runs: 5)"), "{:?}", reply.message);
    assert_eq!(fleet.probe.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_says_how_often_a_call_is_begun() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("idempotent", json!({"seconds": 1000})).await;
    let last = fleet.replica_with(|tasks| tasks.max_runs(1), |builder| builder);
    last.run_tasks();
    let reply = last.client().finish_task(&id).await;
    assert!(reply.error().1.contains("(runs: 1)"), "{:?}", reply.message);
}

#[tokio::test(start_paused = true)]
async fn the_host_restores_what_it_had_put_into_the_request() {
    #[derive(Clone)]
    struct Tenant(String);

    let tools = || {
        let whose =
            async |Extension(tenant): Extension<Tenant>, cx: CallContext| -> Result<String, ToolError> {
                let agent =
                    cx.headers().get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
                let said = format!(
                    "{} {agent} {:?}",
                    tenant.0,
                    cx.extensions().get::<Principal>().map(Principal::as_str)
                );
                tokio::time::sleep(Duration::from_secs(1000)).await;
                Ok(said)
            };
        let whose = Tool::new("whose", "Whose", whose).task_mode(TaskMode::Required).read_only();
        ToolRegistry::builder().register(whose).build().expect("valid")
    };
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let first = TestClient::with_manager(doomed.replica.manager, tools())
        .tasks()
        .principal("alice")
        .extension(Tenant("first".to_owned()))
        .header(http::header::USER_AGENT, "tester".parse().expect("a value"))
        .header(http::header::COOKIE, "secret".parse().expect("a value"));
    let id = first.call("whose", json!({})).await.task_id().to_owned();
    doomed.way.set_down(true);
    let second = fleet.replica();
    let asked = Arc::new(AtomicUsize::new(0));
    let restoring = {
        let (manager, asked) = (second.manager.clone(), Arc::clone(&asked));
        async move {
            manager
                .run_tasks_with(|head: &mut Parts| {
                    asked.fetch_add(1, Ordering::SeqCst);
                    assert!(head.headers.get("cookie").is_none());
                    head.extensions.insert(Tenant("again".to_owned()));
                    std::future::ready(Ok::<_, Refusal>(tools()))
                })
                .await;
        }
    };
    tokio::spawn(restoring);
    let client = second.client().principal("alice");
    assert_eq!(client.finish_task(&id).await.text(), r#"again tester Some("alice")"#);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_host_refuses_to_begin_again_fails() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("idempotent", json!({"seconds": 1000})).await;
    let second = fleet.replica();
    let manager = second.manager.clone();
    tokio::spawn(async move {
        let refuse = |_: &mut Parts| {
            std::future::ready(Err::<ToolRegistry, _>(Refusal::new(http::StatusCode::FORBIDDEN, "no longer")))
        };
        manager.run_tasks_with(refuse).await;
    });
    let reply = second.client().finish_task(&id).await;
    assert_eq!(reply.error().1, "Internal error");
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_other_servers_are_left_alone() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("required", json!({"seconds": 1000})).await;
    let keys = mcp_stateless::ask::StateKeys::new([8; 32]);
    let foreign = fleet.replica_with(|tasks| tasks, |builder| builder.state_keys(keys));
    foreign.run_tasks();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let own = fleet.replica();
    assert_eq!(status(&own.client().task(&id).await).0, "working", "nobody has marked it as failed");
    own.run_tasks();
    assert!(own.client().finish_task(&id).await.error().1.contains("cannot be repeated"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_ends_no_task_whose_replica_lives() {
    let store = super::flaky::Flaky::over(Fleet::new().store);
    let fleet = Fleet::with_store(store.clone());
    let (one, other) = (fleet.replica(), fleet.replica());
    one.run_tasks();
    other.run_tasks();
    for away in [40, 41, 45, 49, 300] {
        let id = one.client().call("required", json!({"seconds": 1000})).await.task_id().to_owned();
        tokio::time::sleep(Duration::from_secs(100)).await;
        store.set_down(true);
        tokio::time::sleep(Duration::from_secs(away)).await;
        store.set_down(false);
        assert_eq!(other.client().finish_task(&id).await.text(), "after 1000 s", "away for {away} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_tool_a_replica_does_not_have_is_left_to_others() {
    let fleet = Fleet::new();
    let id = fleet.doomed().begin("idempotent", json!({"seconds": 10})).await;
    let older = fleet.replica();
    let manager = older.manager.clone();
    tokio::spawn(async move { manager.run_tasks(ToolRegistry::builder().build().expect("valid")).await });
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(status(&older.client().task(&id).await).0, "working");
    let newer = fleet.replica();
    newer.run_tasks();
    assert_eq!(newer.client().finish_task(&id).await.text(), "after 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_question_stays_open_until_the_handler_that_begins_again_asks_it() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let client = doomed.replica.client();
    let id = client.call("prepared", json!({"seconds": 20})).await.task_id().to_owned();
    while status(&client.task(&id).await).0 == "working" {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    doomed.way.set_down(true);
    let second = fleet.replica();
    second.run_tasks();
    fleet.probe.until(|probe| probe.running() == 1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Its user may take the time to answer.
    let task = second.client().task(&id).await;
    assert_eq!(status(&task).0, "input_required", "the handler is not there again yet");
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    second.client().answer_task(&id, "name", answer).await;
    let done = second.client().finish_task(&id).await;
    assert_eq!((done.text().as_str(), done.questions), ("Hello, Ada", 0));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_was_withdrawn_is_not_opened_again() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let client = doomed.replica.client();
    let id = client.call("patient", json!({})).await.task_id().to_owned();
    tokio::time::sleep(Duration::from_secs(61)).await;
    let asked = client.task(&id).await["inputRequests"].clone();
    assert!(asked["name#2"].is_object() && asked.get("name").is_none(), "{asked}");
    doomed.way.set_down(true);
    let second = fleet.replica();
    second.run_tasks();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let client = second.client();
    assert_eq!(client.task(&id).await["inputRequests"], asked);
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    client.answer_task(&id, "name#2", answer).await;
    assert_eq!(client.finish_task(&id).await.text(), "Ada at attempt 1");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_begins_again_has_the_rest_of_the_time_of_its_task() {
    let fleet = Fleet::new();
    let set = |tasks: mcp_stateless::task::Tasks| tasks.keep_results_for(Duration::from_secs(60));
    let tools = || {
        let slow = async || tokio::time::sleep(Duration::from_secs(6000)).await;
        let slow = Tool::new("slow", "", slow).task_mode(TaskMode::Required).idempotent();
        let slow = slow.time_limit(Some(Duration::from_secs(7200)));
        ToolRegistry::builder().register(slow).build().expect("valid")
    };
    let way = super::flaky::Flaky::over(Arc::clone(&fleet.store));
    let first = Fleet { store: way.clone(), ..fleet.clone() }.replica_with(set, |builder| builder);
    let first = TestClient::with_manager(first.manager, tools()).tasks();
    let begun = tokio::time::Instant::now();
    let id = first.call("slow", json!({})).await.task_id().to_owned();
    tokio::time::sleep(Duration::from_secs(5000)).await;
    way.set_down(true);
    let second = fleet.replica_with(set, |builder| builder);
    let second = super::Replica { tools: tools(), ..second };
    second.run_tasks();
    let stopped = second.client().finish_task(&id).await;
    assert!(stopped.is_error() && stopped.text().contains("longer than its limit"), "{}", stopped.text());
    let took = begun.elapsed().as_secs();
    assert!((7190..7210).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn all_tasks_of_a_replica_are_taken_up_at_once() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let other = Tool::new("other", "", async || std::future::pending::<()>().await);
    let other = other.task_mode(TaskMode::Required).idempotent();
    let other = ToolRegistry::builder().register(other).build().expect("valid");
    let newer = TestClient::with_manager(doomed.replica.manager.clone(), other).tasks();
    let client = doomed.replica.client();
    for number in 0..300 {
        if number % 50 == 0 {
            // Some have to stay where they are.
            newer.call("other", json!({})).await.task_id();
        }
        client.call("idempotent", json!({"seconds": 1000})).await.task_id();
    }
    doomed.way.set_down(true);
    fleet.replica().run_tasks();
    let died = tokio::time::Instant::now();
    fleet.probe.until(|probe| probe.running() == 300).await;
    assert!(died.elapsed() <= Duration::from_secs(31), "{:?}", died.elapsed());
}
