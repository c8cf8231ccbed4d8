//! What a client reads and writes.

use mcp_stateless::protocol::ErrorCode;
use mcp_stateless::task::Tasks;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{StatelessSessionManager, ToolRegistry};
use serde_json::{Value, json};

use super::{Fleet, alone, status};
use crate::site::Site;
use crate::support::{Era, Post};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A request of a client that declares the extension.
pub(super) fn post(method: &str, mut params: Value) -> Post {
    let id = params["taskId"].as_str().map(str::to_owned);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {}, "roots": {}, "extensions": {EXTENSION: {}}});
    let post = Post::modern(method, params);
    match id {
        Some(id) => post.header("mcp-name", &id),
        None => post,
    }
}

fn site() -> Site<ToolRegistry> {
    let replica = alone(|tasks| tasks);
    Site { manager: replica.manager, registry: replica.tools }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_told_as_the_extension_says() {
    let site = site();
    let call = post("tools/call", json!({"name": "required", "arguments": {"seconds": 5}}));
    let created = site.result(call).await;
    let id = created["taskId"].as_str().expect("an id");
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "128 random bits: {id}");
    let mut members: Vec<_> = created.as_object().expect("an object").keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected =
        ["_meta", "createdAt", "lastUpdatedAt", "pollIntervalMs", "resultType", "status", "taskId", "ttlMs"];
    assert_eq!(members, expected);
    assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")));
    assert_eq!((&created["ttlMs"], &created["pollIntervalMs"]), (&json!(7_200_000), &json!(1000)));
    for time in ["createdAt", "lastUpdatedAt"] {
        let time = created[time].as_str().expect("a time");
        assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    assert_eq!(created["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "fleet");

    // It is there at once.
    let working = site.result(post("tasks/get", json!({"taskId": id}))).await;
    assert_eq!((&working["resultType"], &working["status"]), (&json!("complete"), &json!("working")));
    assert_eq!((&working["taskId"], &working["createdAt"]), (&created["taskId"], &created["createdAt"]));
    assert!(working.get("result").is_none() && working.get("requestState").is_none());

    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let done = site.result(post("tasks/get", json!({"taskId": id}))).await;
    assert_eq!((&done["resultType"], &done["status"]), (&json!("complete"), &json!("completed")));
    let plain = Post::call(Era::Modern, "slow", json!({"seconds": 5}));
    assert_eq!(done["result"], site.result(plain).await, "the result is that of the call");
    assert!(done["lastUpdatedAt"].as_str() > done["createdAt"].as_str());

    let acknowledged = site.result(post("tasks/cancel", json!({"taskId": id}))).await;
    let mut members: Vec<_> = acknowledged.as_object().expect("an object").keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["_meta", "resultType"]);
    assert_eq!(acknowledged["resultType"], "complete");
    let same = site.result(post("tasks/get", json!({"taskId": id}))).await;
    assert_eq!(same, done, "what has ended cannot be cancelled");
}

#[tokio::test]
async fn the_extension_is_declared_to_those_who_can_use_it() {
    let replica = alone(|tasks| tasks);
    let about = replica.client().about().await;
    assert_eq!(about["capabilities"]["extensions"], json!({EXTENSION: {}}));
    assert!(about["capabilities"].get("tasks").is_none());
    let about = replica.client().legacy().about().await;
    assert!(about["capabilities"].get("extensions").is_none(), "{about}");
    let without = StatelessSessionManager::builder("test", "0.0.0").build().expect("valid settings");
    let about = TestClient::with_manager(without, replica.tools.clone()).about().await;
    assert!(about["capabilities"].get("extensions").is_none(), "{about}");
}

#[tokio::test]
async fn clients_that_do_not_declare_the_extension_are_told_what_is_required() {
    let site = site();
    let created =
        site.result(post("tools/call", json!({"name": "required", "arguments": {"seconds": 5}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    let required = json!({"requiredCapabilities": {"extensions": {EXTENSION: {}}}});
    for (method, params) in [
        ("tasks/get", json!({"taskId": id})),
        ("tasks/update", json!({"taskId": id, "inputResponses": {}})),
        ("tasks/cancel", json!({"taskId": id})),
        // Before it is looked at whose it is.
        ("tasks/get", json!({"taskId": "nobody's"})),
        ("subscriptions/listen", json!({"notifications": {"taskIds": [id]}})),
        ("tools/call", json!({"name": "required", "arguments": {"seconds": 5}})),
    ] {
        let name = params["taskId"].as_str().map(str::to_owned);
        for capabilities in [json!({}), json!({"extensions": {}}), json!({"tasks": {}})] {
            let mut params = params.clone();
            params["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
            let mut plain = Post::modern(method, params);
            if let Some(name) = &name {
                plain = plain.header("mcp-name", name);
            }
            let answer = site.send(plain).await;
            assert_eq!(answer.error(), (400, -32021), "{method}");
            assert_eq!(answer.json()["error"]["data"], required, "{method}");
        }
    }
    // Clients of the legacy era cannot ask about tasks at all.
    let answer = site.send(Post::call(Era::Legacy, "required", json!({"seconds": 5}))).await;
    assert_eq!(answer.error(), (200, -32021));
}

#[tokio::test]
async fn the_name_header_repeats_the_id_of_the_task() {
    let site = site();
    let created =
        site.result(post("tools/call", json!({"name": "required", "arguments": {"seconds": 5}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let right = post(method, json!({"taskId": id, "inputResponses": {}}));
        let wrong = right.clone().header("mcp-name", "another");
        assert_eq!(site.send(wrong).await.error(), (400, -32020), "{method}");
        assert_eq!(site.send(right.clone().without("mcp-name")).await.error(), (400, -32020), "{method}");
        assert_eq!(site.send(right).await.status, 200, "{method}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let site = site();
    let created =
        site.result(post("tools/call", json!({"name": "required", "arguments": {"seconds": 5}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    for answers in [Value::Null, json!([]), json!("yes")] {
        let update = post("tasks/update", json!({"taskId": id, "inputResponses": answers}));
        assert_eq!(site.send(update).await.error(), (200, -32602));
    }
    let without = post("tasks/update", json!({"taskId": id}));
    assert_eq!(site.send(without).await.error(), (200, -32602));
    for id in ["unknown", "", "ä", &"f".repeat(32), &"f".repeat(100_000)] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let encoded = mcp_stateless::protocol::header_value(id);
            let post = post(method, json!({"taskId": id, "inputResponses": {}}));
            let answer = site.send(post.header("mcp-name", encoded.to_str().expect("ASCII"))).await;
            assert_eq!(answer.error(), (200, -32602), "{method}");
            assert!(answer.error_message().starts_with("Unknown task"), "{answer:?}");
        }
    }
    for method in ["tasks/result", "tasks/list", "tasks/create"] {
        assert_eq!(site.send(post(method, json!({"taskId": id}))).await.error(), (404, -32601), "{method}");
    }
}

#[tokio::test]
async fn a_server_without_tasks_has_no_such_methods() {
    let Fleet { probe, .. } = Fleet::new();
    let site = Site::new(super::tools(&probe));
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        assert_eq!(site.send(post(method, json!({"taskId": "x"}))).await.error(), (404, -32601), "{method}");
    }
    let result =
        site.result(post("tools/call", json!({"name": "preferred", "arguments": {"seconds": 0}}))).await;
    assert_eq!(result["content"][0]["text"], "after 0 s");
    // A tool that must run as a task cannot be served, which is the host's fault.
    let answer =
        site.send(post("tools/call", json!({"name": "required", "arguments": {"seconds": 0}}))).await;
    assert_eq!(answer.error(), (200, -32603));
    let legacy_only = Fleet::new()
        .replica_with(|tasks| tasks, |builder| builder.only(mcp_stateless::protocol::Era::Legacy));
    assert!(legacy_only.client().legacy().about().await["capabilities"].get("extensions").is_none());
}

#[tokio::test]
async fn a_legacy_hint_of_the_client_changes_nothing() {
    let site = site();
    let call = json!({"name": "never", "arguments": {"seconds": 0}, "task": {"ttl": 60_000}});
    let result = site.result(post("tools/call", call)).await;
    assert_eq!(
        (&result["resultType"], &result["content"][0]["text"]),
        (&json!("complete"), &json!("after 0 s"))
    );
}

#[tokio::test]
async fn tasks_in_a_shared_store_need_keys() {
    let fleet = Fleet::new();
    let tasks = Tasks::shared(fleet.store, std::sync::Arc::new(fleet.bus));
    let error = StatelessSessionManager::builder("test", "0.0.0").tasks(tasks).build().expect_err("no keys");
    assert!(error.to_string().contains("`state_keys`"), "{error}");
    assert!(StatelessSessionManager::builder("test", "0.0.0").tasks(Tasks::in_process()).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn errors_of_calls_are_told_by_the_status_that_fits() {
    let client = alone(|tasks| tasks).client();
    for (tool, text) in [("fail", "out of luck")] {
        let id = client.call(tool, json!({})).await.task_id().to_owned();
        let reply = client.finish_task(&id).await;
        assert!(reply.is_error());
        assert_eq!(reply.text(), text);
        assert_eq!(status(&client.task(&id).await), ("completed", None));
    }
    let id = client.call("refuse", json!({})).await.task_id().to_owned();
    assert_eq!(client.finish_task(&id).await.error(), (ErrorCode::INVALID_PARAMS, "not like this"));
    let task = client.task(&id).await;
    assert_eq!(status(&task), ("failed", Some("not like this")));
    assert_eq!(task["error"], json!({"code": -32602, "message": "not like this", "data": {"why": 7}}));
    assert!(task.get("result").is_none());
    let id = client.call("panic", json!({})).await.task_id().to_owned();
    let reply = client.finish_task(&id).await;
    let (code, message) = reply.error();
    assert!(code == ErrorCode::INTERNAL_ERROR && !message.contains("secret"), "{message}");
}
