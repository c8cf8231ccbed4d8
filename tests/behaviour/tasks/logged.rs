//! Tasks whose contents are secret, for the test of what is logged.

use std::time::Duration;

use mcp_stateless::ask::{ElicitResult, InputRequired, Question};
use mcp_stateless::protocol::{ErrorCode, RpcError};
use mcp_stateless::task::{LocalTaskStore, TaskMode};
use mcp_stateless::{CallContext, Tool, ToolError, ToolRegistry};
use serde_json::{Value, json};

use super::{Doomed, Fleet, Name, Replica, status};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

fn tools() -> ToolRegistry {
    let sign = async |Text { text }: Text, cx: CallContext| -> Result<String, ToolError> {
        cx.progress(1.0, None, "PROGRESS").await;
        let Name { name } = cx.elicit("signature", "QUESTION").await?;
        Ok(format!("{text} RESULT {name}"))
    };
    let returned = async |cx: CallContext| -> Result<String, ToolError> {
        tokio::task::yield_now().await;
        if cx.answer::<ElicitResult>("name")?.is_some() {
            return Ok("RESULT".to_owned());
        }
        let question = Question::form_of::<Name>("QUESTION");
        Err(InputRequired::new().ask("name", question).state("HANDLERSTATE").into())
    };
    let slow = async |Text { text }: Text| {
        tokio::time::sleep(Duration::from_secs(50)).await;
        format!("{text} {}", "RESULT".repeat(30_000))
    };
    let refuse = async |_: Text| Err::<(), _>(RpcError::new(ErrorCode::INTERNAL_ERROR, "VERBATIM"));
    let panic = async |Text { text }: Text| -> String { panic!("{text}") };
    let tools = [
        Tool::new("sign", "", sign).idempotent(),
        Tool::new("returned", "", returned),
        Tool::new("slow", "", slow),
        Tool::new("declared", "", async |_: Text| Err::<(), _>(ToolError::new("DECLARED"))),
        Tool::new("refuse", "", refuse),
        Tool::new("panic", "", panic),
    ];
    let tools = tools.map(|tool| tool.task_mode(TaskMode::Required));
    let mut registry = ToolRegistry::builder();
    for tool in tools {
        registry = registry.register(tool);
    }
    registry.build().expect("valid tools")
}

/// Lets tasks begin, ask, be answered, cancelled, refused, taken up and given up, and end in every way.
/// Returns their ids, which are secret as well.
pub(crate) async fn happen() -> Vec<String> {
    let mut ids = Vec::new();
    let with_secrets = |replica: Replica| Replica { tools: tools(), ..replica };
    // The last has no room for results.
    let narrow = std::sync::Arc::new(LocalTaskStore::with_capacity(1024, 1 << 20));
    for fleet in [Fleet::new(), Fleet::with_store(narrow)] {
        let Doomed { replica, way, .. } = fleet.doomed();
        let (doomed, other) = (with_secrets(replica), with_secrets(fleet.replica()));
        other.run_tasks();
        tokio::task::yield_now().await;
        let arguments = json!({"text": "ARGUMENT"});
        let answer = json!({"action": "accept", "content": {"name": "ANSWER"}});
        for (replica, tool) in [
            (&other, "sign"),
            (&other, "returned"),
            (&other, "slow"),
            (&other, "declared"),
            (&other, "refuse"),
            (&other, "panic"),
            (&doomed, "sign"),
            (&doomed, "slow"),
        ] {
            let client = replica.client().principal("alice").accept(json!({"name": "ANSWER"}));
            let id = client.call(tool, arguments.clone()).await.task_id().to_owned();
            if std::ptr::eq(replica, &raw const doomed) {
                while tool == "sign" && status(&client.task(&id).await).0 == "working" {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                way.set_down(true);
            }
            let client = other.client().principal("alice").accept(json!({"name": "ANSWER"}));
            for (answers, caller) in [
                (json!({"signature": answer, "name": answer, "UNKNOWN": "ANSWER"}), "mallory"),
                (json!("ANSWER"), "alice"),
            ] {
                let update = json!({"taskId": id, "inputResponses": answers});
                other.client().principal(caller).request("tasks/update", update).await;
            }
            client.finish_task(&id).await;
            way.set_down(false);
            ids.push(id);
        }
        let client = other.client().principal("alice");
        // One that is cancelled, and one whose answer does not fit.
        let id = client.call("sign", arguments.clone()).await.task_id().to_owned();
        client.cancel_task(&id).await;
        ids.push(id);
        let id = client.call("sign", arguments.clone()).await.task_id().to_owned();
        while status(&client.task(&id).await).0 == "working" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        client
            .answer_task(&id, "signature", json!({"action": "accept", "content": {"name": ["ANSWER"]}}))
            .await;
        client.finish_task(&id).await;
        ids.push(id);
        // One that nobody can store.
        way.set_down(true);
        let refused: Value = doomed.client().call("sign", arguments).await.message;
        assert!(refused["error"].is_object(), "{refused}");
        // One that ends with its server.
        let id = client.call("slow", json!({"text": "ARGUMENT"})).await.task_id().to_owned();
        other.manager.shut_down(Duration::from_secs(1)).await;
        ids.push(id);
    }
    ids
}
