//! Two callers.

use serde_json::json;

use crate::client::{Client, Message};
use crate::processes::{Fleet, Times};
use crate::report::Report;
use crate::tasks;

#[tokio::test]
async fn no_caller_sees_answers_cancels_or_hears_of_the_tasks_of_another_on_any_replica() {
    let fleet = Fleet::start("callers", Times { lease: 30, announce: 0 }).await;
    let report = Report::new();
    let [ada, bob] = ["ada", "bob"].map(|caller| Client::new(fleet.nginx.port, caller, &report));
    let work = json!({"number": 7, "milliseconds": 200});
    let created = ada.send(&Message::call("create", "square_if_sure", &work)).await;
    let id = created["result"]["taskId"].as_str().expect("a task").to_owned();
    let unknown = json!({"taskId": "0".repeat(id.len())});
    let nobody = bob.send(&Message::modern("get", "tasks/get", unknown)).await["error"].clone();
    assert_eq!(nobody["code"], -32602);

    let yes = json!({"sure": {"action": "accept", "content": {"sure": true}}});
    // More than there are replicas, so that each is asked.
    for _ in 0..6 {
        for (method, params) in [
            ("tasks/get", json!({"taskId": id})),
            ("tasks/update", json!({"taskId": id, "inputResponses": yes})),
            ("tasks/cancel", json!({"taskId": id})),
        ] {
            let answer = bob.send(&Message::modern("another's task", method, params)).await;
            assert_eq!(answer["error"], nobody, "{method}");
        }
    }
    let wanted = json!({"notifications": {"taskIds": [id]}});
    let listen = Message::modern("listen", "subscriptions/listen", wanted);
    let mut heard = ada.open(&listen).await.expect("a stream");
    let first = heard.next().await.expect("a message").expect("an acknowledgement");
    assert_eq!(first["params"]["notifications"]["taskIds"], json!([id]), "{first}");
    let mut not_heard = bob.open(&listen).await.expect("a stream");
    let first = not_heard.next().await.expect("a message").expect("an acknowledgement");
    assert!(first["params"]["notifications"].get("taskIds").is_none_or(|ids| *ids == json!([])), "{first}");

    let end = async {
        loop {
            let task = heard.next().await.expect("a message").expect("news");
            if task["params"]["status"] == "completed" {
                return task;
            }
        }
    };
    let (end, ()) = tokio::join!(end, async {
        loop {
            let task = tasks::get(&ada, &id).await;
            if task["result"]["status"] == "input_required" {
                break;
            }
        }
        let params = json!({"taskId": id, "inputResponses": yes});
        ada.send(&Message::modern("answer", "tasks/update", params)).await;
    });
    assert_eq!(end["params"]["result"]["content"][0]["text"], "49", "{end}");
    report.assert_faultless(|| fleet.log());
}
