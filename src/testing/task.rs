//! Tasks of a test client.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::TestClient;
use super::question::TestQuestion;
use super::reply::TestReply;
use crate::protocol::TASKS_EXTENSION;
use crate::registry::Registry;

/// The maximum number of requests about a task.
const MOST_POLLS: usize = 100_000;

/// Tasks (feature `tasks`).
impl<R: Registry> TestClient<R> {
    /// Declares that the client supports tasks. Calls may then return the handle of a task; see
    /// [`TestReply::task_id`].
    ///
    /// # Panics
    /// If the declared capabilities are not an object.
    pub fn tasks(mut self) -> Self {
        let Value::Object(capabilities) = &mut self.caller.capabilities else { panic!("not an object") };
        let extensions = capabilities.entry("extensions").or_insert_with(|| json!({}));
        extensions[TASKS_EXTENSION] = json!({});
        self
    }

    /// Asks about a task (`tasks/get`), and returns the result.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn task(&self, id: &str) -> Value {
        self.request("tasks/get", json!({"taskId": id})).await.result().clone()
    }

    /// Sends the answer to a question of a task (`tasks/update`).
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn answer_task(&self, id: &str, key: &str, answer: Value) {
        let answers = Map::from_iter([(key.to_owned(), answer)]);
        let update = json!({"taskId": id, "inputResponses": answers});
        self.request("tasks/update", update).await.result();
    }

    /// Cancels a task (`tasks/cancel`).
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn cancel_task(&self, id: &str) {
        self.request("tasks/cancel", json!({"taskId": id})).await.result();
    }

    /// Polls a task until it ends, at the interval that the server suggests, and answers its questions.
    /// Returns its result or error as if it were the reply to its call.
    ///
    /// # Panics
    /// If the task is cancelled, or asks and there is no [`answer`](Self::answer).
    pub async fn finish_task(&self, id: &str) -> TestReply {
        let mut questions = 0;
        for _ in 0..MOST_POLLS {
            let mut reply = self.request("tasks/get", json!({"taskId": id})).await;
            let mut task = reply.result().clone();
            let outcome = match task["status"].as_str() {
                Some("completed") => "result",
                Some("failed") => "error",
                Some("cancelled") => panic!("the task was cancelled: {task}"),
                Some("input_required") => {
                    for (key, question) in task["inputRequests"].as_object().into_iter().flatten() {
                        let method = question["method"].as_str().unwrap_or_default().to_owned();
                        let params = question["params"].clone();
                        let question = TestQuestion { method, params, key: Some(key.clone()) };
                        questions += 1;
                        self.answer_task(id, key, self.answers.answer(&question)).await;
                    }
                    "working"
                }
                _ => "working",
            };
            if outcome == "working" {
                let pause = task["pollIntervalMs"].as_u64().unwrap_or(1000);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                continue;
            }
            reply.message = json!({"jsonrpc": "2.0", "id": 1, outcome: task[outcome].take()});
            reply.questions = questions;
            return reply;
        }
        panic!("the task does not end");
    }
}

impl TestReply {
    /// Returns the id of the task that the call has become (feature `tasks`).
    ///
    /// # Panics
    /// If the call was answered otherwise.
    #[track_caller]
    pub fn task_id(&self) -> &str {
        match (self.result()["resultType"].as_str(), self.result()["taskId"].as_str()) {
            (Some("task"), Some(id)) => id,
            _ => panic!("not a task: {}", self.message),
        }
    }
}
