//! Whose tasks they are.

use serde_json::{Value, json};

use super::wire::post;
use super::{Fleet, alone};
use crate::site::Site;

#[tokio::test(start_paused = true)]
async fn the_tasks_of_others_do_not_exist() {
    let replica = alone(|tasks| tasks);
    let site = Site { manager: replica.manager, registry: replica.tools };
    let call = || post("tools/call", json!({"name": "confirm", "arguments": {}}));
    let owners = [Some("alice"), None];
    for owner in owners {
        let of = |post: crate::support::Post, caller: Option<&str>| match caller {
            Some(caller) => post.of(caller),
            None => post,
        };
        let created = site.result(of(call(), owner)).await;
        let id = created["taskId"].as_str().expect("an id");
        let answers = json!({"confirm": {"action": "accept", "content": {"really": true}}});
        while site.result(of(post("tasks/get", json!({"taskId": id})), owner)).await["status"] == "working" {
            tokio::task::yield_now().await;
        }
        let requests = [
            ("tasks/get", json!({"taskId": id})),
            ("tasks/update", json!({"taskId": id, "inputResponses": answers})),
            ("tasks/cancel", json!({"taskId": id})),
        ];
        for stranger in [Some("bob"), None, Some("alice")] {
            if stranger == owner {
                continue;
            }
            for (method, params) in &requests {
                let theirs = site.send(of(post(method, params.clone()), stranger)).await;
                let mut unknown = params.clone();
                unknown["taskId"] = json!("f".repeat(32));
                let nobodys = site.send(of(post(method, unknown), stranger)).await;
                assert_eq!(theirs.error(), (200, -32602));
                assert_eq!(theirs.body, nobodys.body, "nothing tells it from one that is not there");
            }
            let listen = json!({"notifications": {"taskIds": [id]}});
            let mut wire = site.open(of(post("subscriptions/listen", listen), stranger)).await;
            assert_eq!(wire.message().await["params"]["notifications"], json!({}));
        }
        let task = site.result(of(post("tasks/get", json!({"taskId": id})), owner)).await;
        assert_eq!(task["status"], "input_required", "nobody has answered or cancelled it");
        site.result(of(post("tasks/cancel", json!({"taskId": id})), owner)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_sees_neither_arguments_nor_results_nor_answers_nor_ids_of_clients() {
    let spying = spy::Spy::new();
    let fleet = Fleet::with_store(spying.clone());
    let client = fleet.replica().client().principal("alice@example.com").accept(json!({"really": true}));
    let reply = client.call("required", json!({"seconds": 1234})).await;
    let id = reply.task_id().to_owned();
    assert_eq!(client.finish_task(&id).await.text(), "after 1234 s");
    let asked = client.call("confirm", json!({})).await;
    assert_eq!(client.finish_task(asked.task_id()).await.text(), "really: true");
    let seen = spying.seen();
    for secret in [&id, "1234", "required", "after", "alice", "Really?", "confirm", "really", "seconds"] {
        assert!(!seen.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    // Another server with the same store and the same keys opens none of it.
    let builder = mcp_stateless::StatelessSessionManager::builder("other", "0.0.1")
        .state_keys(mcp_stateless::ask::StateKeys::new([7; 32]))
        .tasks(mcp_stateless::task::Tasks::shared(
            fleet.store.clone(),
            std::sync::Arc::new(fleet.bus.clone()),
        ));
    let other = mcp_stateless::testing::TestClient::with_manager(
        builder.build().expect("valid settings"),
        super::tools(&fleet.probe),
    );
    let other = other.tasks().principal("alice@example.com");
    let reply: Value = other.request("tasks/get", json!({"taskId": id})).await.message;
    assert_eq!(reply["error"]["code"], -32602);
}

/// A store that notes everything that it is given.
mod spy {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use mcp_stateless::task::{
        LocalTaskStore, NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskStep, TaskStore,
    };

    #[derive(Default)]
    pub(super) struct Spy {
        store: LocalTaskStore,
        seen: Mutex<Vec<u8>>,
    }

    impl Spy {
        pub(super) fn new() -> Arc<Self> {
            Arc::default()
        }

        pub(super) fn seen(&self) -> Vec<u8> {
            self.seen.lock().expect("not poisoned").clone()
        }

        fn note(&self, bytes: &[u8]) {
            self.seen.lock().expect("not poisoned").extend_from_slice(bytes);
        }
    }

    impl TaskStore for Spy {
        fn create(&self, task: NewTask) -> StoreFuture<'_, TaskRecord> {
            self.note(task.id.as_bytes());
            self.note(&task.owner.unwrap_or_default());
            self.note(&task.call);
            self.note(&task.data);
            self.store.create(task)
        }

        fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, TaskRecord> {
            self.note(id.as_bytes());
            self.store.read(id)
        }

        fn advance<'a>(&'a self, id: &'a str, step: TaskStep) -> StoreFuture<'a, TaskRecord> {
            self.note(&step.data);
            self.store.advance(id, step)
        }

        fn answer<'a>(&'a self, id: &'a str, answers: Vec<TaskAnswer>) -> StoreFuture<'a, TaskRecord> {
            for answer in &answers {
                self.note(&answer.answer);
            }
            self.store.answer(id, answers)
        }

        fn answers<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Vec<TaskAnswer>> {
            self.store.answers(id)
        }

        fn expired(&self, most: usize) -> StoreFuture<'_, Vec<String>> {
            self.store.expired(most)
        }

        fn take<'a>(&'a self, id: &'a str, lease: Duration) -> StoreFuture<'a, TakenTask> {
            self.store.take(id, lease)
        }

        fn renew<'a>(&'a self, id: &'a str, token: u64, lease: Duration) -> StoreFuture<'a, TaskRecord> {
            self.store.renew(id, token, lease)
        }

        fn release<'a>(&'a self, id: &'a str, token: u64) -> StoreFuture<'a, ()> {
            self.store.release(id, token)
        }

        fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
            self.store.delete(id)
        }
    }
}
