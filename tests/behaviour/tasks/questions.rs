//! Questions within a task.

use std::time::Duration;

use mcp_stateless::testing::TestQuestion;
use serde_json::{Value, json};

use super::{Fleet, alone, status};

fn accept(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// Waits until a task asks, and returns the keys of its questions.
async fn keys(
    client: &mcp_stateless::testing::TestClient<mcp_stateless::ToolRegistry>,
    id: &str,
) -> Vec<String> {
    loop {
        let task = client.task(id).await;
        if task["status"] == "input_required" {
            return task["inputRequests"].as_object().expect("questions").keys().cloned().collect();
        }
        assert_eq!(task["status"], "working");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_in_the_task_and_any_replica_brings_the_answer() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.replica().client(), fleet.replica().client());
    let reply = one.call("confirm", json!({})).await;
    assert!(reply.result().get("inputRequests").is_none());
    let id = reply.task_id();
    assert_eq!(keys(&other, id).await, ["confirm"]);
    let question = &other.task(id).await["inputRequests"]["confirm"];
    assert_eq!(
        (&question["method"], &question["params"]["message"]),
        (&json!("elicitation/create"), &json!("Really?"))
    );
    other.answer_task(id, "confirm", accept(&json!({"really": true}))).await;
    // It is answered at once, wherever it is asked about.
    let task = one.task(id).await;
    assert!(task["status"] == "working" && task.get("inputRequests").is_none(), "{task}");
    assert_eq!(other.finish_task(id).await.text(), "really: true");
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_one_by_one_and_each_once() {
    let client = alone(|tasks| tasks).client();
    let reply = client.call("both", json!({})).await;
    let id = reply.task_id();
    assert_eq!(keys(&client, id).await, ["name", "roots"]);
    client.answer_task(id, "stranger", json!({})).await;
    client.answer_task(id, "name", accept(&json!({"name": "Ada"}))).await;
    assert_eq!(keys(&client, id).await, ["roots"]);
    // The first answer counts.
    client.answer_task(id, "name", accept(&json!({"name": "Eve"}))).await;
    assert_eq!(keys(&client, id).await, ["roots"]);
    client.answer_task(id, "roots", json!({"roots": [{"uri": "file:///a"}]})).await;
    assert_eq!(client.finish_task(id).await.text(), "Ada in 1 roots");
    client.answer_task(id, "roots", json!({"roots": []})).await;
    assert_eq!(status(&client.task(id).await), ("completed", None));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_dropped_is_withdrawn_and_its_key_is_not_used_again() {
    let client = alone(|tasks| tasks).client();
    let reply = client.call("patient", json!({})).await;
    let id = reply.task_id();
    assert_eq!(keys(&client, id).await, ["name"]);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(keys(&client, id).await, ["name#2"]);
    client.answer_task(id, "name", accept(&json!({"name": "Late"}))).await;
    assert_eq!(keys(&client, id).await, ["name#2"], "a withdrawn question takes no answer");
    client.answer_task(id, "name#2", accept(&json!({"name": "Ada"}))).await;
    assert_eq!(client.finish_task(id).await.text(), "Ada at attempt 2");
    let nobody = client.call("patient", json!({})).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(client.finish_task(nobody.task_id()).await.text(), "nobody");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_ends_the_task_with_an_error() {
    let client = alone(|tasks| tasks).client();
    let reply = client.call("confirm", json!({})).await;
    let id = reply.task_id();
    keys(&client, id).await;
    client.answer_task(id, "confirm", accept(&json!({"really": "perhaps"}))).await;
    let (code, message) = (client.finish_task(id).await.error().0, client.task(id).await);
    assert_eq!(code, mcp_stateless::protocol::ErrorCode::INVALID_PARAMS);
    assert!(status(&message).1.is_some_and(|message| message.contains("`confirm`")), "{message}");
    // The user may say no.
    let reply = client.call("confirm", json!({})).await;
    let declining = client.answer(|_: &TestQuestion| json!({"action": "decline"}));
    assert_eq!(declining.finish_task(reply.task_id()).await.text(), "The user declined");
}

#[tokio::test(start_paused = true)]
async fn a_client_is_asked_for_nothing_that_it_does_not_declare() {
    let client = alone(|tasks| tasks).client();
    let bare = client.capabilities(json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    let reply = bare.call("confirm", json!({})).await;
    let code = bare.finish_task(reply.task_id()).await.error().0;
    assert_eq!(code, mcp_stateless::protocol::ErrorCode::MISSING_CLIENT_CAPABILITY);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_its_questions_begins_again_with_the_answers() {
    let fleet = Fleet::new();
    let replica = fleet.replica();
    let client = replica.client().accept(json!({"name": "Ada"}));
    // Nobody would begin it again.
    let reply = client.call("returned", json!({})).await;
    assert_eq!(
        client.finish_task(reply.task_id()).await.error().0,
        mcp_stateless::protocol::ErrorCode::INTERNAL_ERROR
    );

    replica.run_tasks();
    tokio::task::yield_now().await;
    let reply = client.call("returned", json!({})).await;
    let done = client.finish_task(reply.task_id()).await;
    assert_eq!((done.text().as_str(), done.questions), (r#""Ada", Some("asked")"#, 1));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_returned_again_is_asked_again_under_another_key() {
    let fleet = Fleet::new();
    let replica = fleet.replica();
    replica.run_tasks();
    let client = replica.client();
    let id = client.call("insist", json!({})).await.task_id().to_owned();
    assert_eq!(keys(&client, &id).await, ["name"]);
    client.answer_task(&id, "name", accept(&json!({"name": "Eve"}))).await;
    assert_eq!(keys(&client, &id).await, ["name#2"]);
    // That of the first question has been used.
    client.answer_task(&id, "name", accept(&json!({"name": "Ada"}))).await;
    assert_eq!(keys(&client, &id).await, ["name#2"]);
    client.answer_task(&id, "name#2", accept(&json!({"name": "Ada"}))).await;
    assert_eq!(client.finish_task(&id).await.text(), "It is Ada");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_no_questions_begins_again_when_a_client_would_call_again() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let later = async || -> Result<&'static str, mcp_stateless::ToolError> {
        if CALLS.fetch_add(1, Ordering::SeqCst) < 10 {
            return Err(mcp_stateless::ask::InputRequired::new().state("not yet").into());
        }
        Ok("ready")
    };
    let later =
        mcp_stateless::Tool::new("later", "", later).task_mode(mcp_stateless::task::TaskMode::Required);
    let tools = mcp_stateless::ToolRegistry::builder().register(later).build().expect("valid");
    let replica = super::Replica { tools, ..alone(|tasks| tasks) };
    replica.run_tasks();
    let client = replica.client();
    let begun = tokio::time::Instant::now();
    let id = client.call("later", json!({})).await.task_id().to_owned();
    assert_eq!(client.finish_task(&id).await.text(), "ready");
    assert!(begun.elapsed() >= Duration::from_secs(10), "once in each poll interval");
}
