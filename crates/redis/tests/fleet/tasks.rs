//! Tasks of clients that follow the protocol.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Message};

/// The time limit of a task, however often its replica dies.
const LIMIT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How a task has ended.
pub(crate) enum End {
    Completed(Value),
    Failed(String),
}

/// Calls a tool that runs as a task, answers its questions, and returns how the task has ended. The
/// arguments may differ between attempts, because a lost attempt may have created another task.
pub(crate) async fn run(
    client: &Client,
    tool: &'static str,
    arguments: impl Fn(u32) -> Value,
) -> (String, End) {
    let mut tries = 0;
    let created = client.persist("create a task", async || {
        tries += 1;
        client.once(&Message::call("create a task", tool, &arguments(tries))).await
    });
    let created = created.await;
    let result = &created["result"];
    if result["resultType"] != "task" {
        client.report().fault(&format!("expected a task: {created}"));
        return (String::new(), End::Failed(created.to_string()));
    }
    let id = result["taskId"].as_str().unwrap_or_default().to_owned();
    let end = finish(client, &id).await;
    (id, end)
}

/// Polls a task until it has ended.
async fn finish(client: &Client, id: &str) -> End {
    let start = Instant::now();
    let mut seen: Option<String> = None;
    while start.elapsed() < LIMIT {
        tokio::time::sleep(POLL_INTERVAL).await;
        let answer = get(client, id).await;
        let task = &answer["result"];
        match task["status"].as_str() {
            Some("completed") => return End::Completed(task["result"].clone()),
            Some("failed") => return End::Failed(task["error"]["message"].to_string()),
            Some("input_required") => {
                let asked = task["inputRequests"].as_object().cloned().unwrap_or_default();
                let yes = json!({"action": "accept", "content": {"sure": true}});
                let answers: serde_json::Map<_, _> =
                    asked.into_iter().map(|(key, _)| (key, yes.clone())).collect();
                let params = json!({"taskId": id, "inputResponses": answers});
                client.send(&Message::modern("answer a task", "tasks/update", params)).await;
            }
            Some("working") => {
                // The status contains the process id of the replica that runs the task.
                if let Some(process) = task["statusMessage"].as_str() {
                    if let Some(former) = seen.take().filter(|former| former != process) {
                        client.report().moved(&former);
                    }
                    seen = Some(process.to_owned());
                }
            }
            _ => {
                client.report().fault(&format!("a task is lost: {answer}"));
                return End::Failed(answer.to_string());
            }
        }
    }
    client.report().fault(&format!("a task does not end: {id}"));
    End::Failed("it does not end".to_owned())
}

pub(crate) async fn get(client: &Client, id: &str) -> Value {
    client.send(&Message::modern("ask about a task", "tasks/get", json!({"taskId": id}))).await
}

/// Asserts that every replica returns the same result of a task.
async fn require_same(client: &Client, id: &str, result: &Value) {
    for _ in 0..3 {
        let answer = get(client, id).await;
        if answer["result"]["result"] != *result {
            client.report().fault(&format!("a task that ended with {result} is now {answer}"));
        }
    }
}

/// Runs one task. Depending on the number, it squares, asks before it squares, or must not run twice.
pub(crate) async fn one(client: &Client, number: u64) {
    let milliseconds = 200 + number % 7 * 200;
    let tool = match number % 4 {
        0 | 1 => "square",
        2 => "square_if_sure",
        _ => "book",
    };
    let arguments = |tries| match tool {
        "book" => json!({"name": format!("booking{number}try{tries}"), "milliseconds": milliseconds}),
        _ => json!({"number": number, "milliseconds": milliseconds}),
    };
    let expected = if tool == "book" { "booked 1".to_owned() } else { (number * number).to_string() };
    match run(client, tool, arguments).await {
        (id, End::Completed(result)) => {
            if result["content"][0]["text"] != *expected {
                client.report().fault(&format!("{tool} {number} ended with {result}"));
            }
            require_same(client, &id, &result).await;
            client.report().task(if tool == "book" {
                "completed, which must not be repeated"
            } else {
                "completed"
            });
        }
        (_, End::Failed(why)) if tool == "book" => {
            // The message gives the reason: the replica has died and the call must not be repeated, or
            // Redis, which has the counter, was unavailable.
            let is_alone = why.contains("The counters cannot be reached now");
            if !why.contains("has stopped") && !is_alone {
                client.report().fault(&format!("{tool} {number} failed without a reason: {why}"));
            }
            client.report().task("failed with their replica, because they must not be repeated");
        }
        (_, End::Failed(why)) => client.report().fault(&format!("{tool} {number} failed: {why}")),
    }
}
