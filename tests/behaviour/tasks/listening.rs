//! `notifications/tasks`.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::post;
use super::{Fleet, Replica};
use crate::site::{Site, Wire};

fn site(replica: Replica) -> Site<mcp_stateless::ToolRegistry> {
    Site { manager: replica.manager, registry: replica.tools }
}

async fn listen(site: &Site<mcp_stateless::ToolRegistry>, ids: &[&str]) -> Wire {
    site.open(post("subscriptions/listen", json!({"notifications": {"taskIds": ids}}))).await
}

/// Returns the next notification about a task, without what marks the subscription.
async fn next(wire: &mut Wire) -> Value {
    let mut message = wire.message().await;
    assert_eq!(message["method"], "notifications/tasks");
    let meta = message["params"].as_object_mut().expect("parameters").remove("_meta");
    assert_eq!(meta, Some(json!({"io.modelcontextprotocol/subscriptionId": 1})));
    message["params"].take()
}

/// A task, as `tasks/get` tells it, without what belongs to the reply.
async fn get(site: &Site<mcp_stateless::ToolRegistry>, id: &str) -> Value {
    let mut task = site.result(post("tasks/get", json!({"taskId": id}))).await;
    for member in ["_meta", "resultType"] {
        task.as_object_mut().expect("an object").remove(member);
    }
    task
}

#[tokio::test(start_paused = true)]
async fn listeners_of_every_replica_hear_what_they_could_ask_for() {
    let fleet = Fleet::new();
    let (one, other) = (site(fleet.replica()), site(fleet.replica()));
    let created = one.result(post("tools/call", json!({"name": "confirm", "arguments": {}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    let mut wires = [listen(&one, &[id]).await, listen(&other, &[id, "unknown"]).await];
    for wire in &mut wires {
        let acknowledged = wire.message().await;
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(acknowledged["params"]["notifications"], json!({"taskIds": [id]}));
        // How it is when they begin to listen, and how it goes on.
        let mut task = next(wire).await;
        while task["status"] == "working" {
            task = next(wire).await;
        }
        assert_eq!(task, get(&one, id).await);
        assert_eq!(task["inputRequests"]["confirm"]["params"]["message"], "Really?");
    }
    let answers = json!({"confirm": {"action": "accept", "content": {"really": true}}});
    other.result(post("tasks/update", json!({"taskId": id, "inputResponses": answers}))).await;
    for wire in &mut wires {
        let mut task = next(wire).await;
        while task["status"] == "working" {
            task = next(wire).await;
        }
        assert_eq!(task["result"]["content"][0]["text"], "really: true");
        assert_eq!(task, get(&other, id).await);
    }
    assert_eq!(one.manager.shut_down(Duration::ZERO).await, 1, "its listener");
    assert_eq!(wires[0].message().await["result"]["resultType"], "complete");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_comes_late_is_told_the_end() {
    let fleet = Fleet::new();
    let site = site(fleet.replica());
    let created =
        site.result(post("tools/call", json!({"name": "required", "arguments": {"seconds": 1}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut wire = listen(&site, &[id]).await;
    wire.message().await;
    assert_eq!(next(&mut wire).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_as_status_and_not_as_progress() {
    let fleet = Fleet::new();
    let site = site(fleet.replica());
    let created = site.result(post("tools/call", json!({"name": "report", "arguments": {}}))).await;
    let mut wire = listen(&site, &[created["taskId"].as_str().expect("an id")]).await;
    wire.message().await;
    let mut messages = Vec::new();
    loop {
        let task = next(&mut wire).await;
        if task["status"] == "completed" {
            break;
        }
        messages.extend(task["statusMessage"].as_str().map(str::to_owned));
    }
    messages.dedup();
    assert_eq!(messages, ["starting", "2 of 4", "3"]);
}

#[tokio::test(start_paused = true)]
async fn news_that_get_lost_are_found_all_the_same() {
    let fleet = Fleet::new();
    let deaf = Fleet { bus: mcp_stateless::changes::LocalBus::default(), ..fleet.clone() };
    let (one, other) = (site(fleet.replica()), site(deaf.replica()));
    let created = one.result(post("tools/call", json!({"name": "confirm", "arguments": {}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut wire = listen(&other, &[id]).await;
    wire.message().await;
    assert_eq!(next(&mut wire).await["status"], "input_required");
    let begun = tokio::time::Instant::now();
    let answers = json!({"confirm": {"action": "accept", "content": {"really": true}}});
    other.result(post("tasks/update", json!({"taskId": id, "inputResponses": answers}))).await;
    let mut task = next(&mut wire).await;
    while task["status"] == "working" {
        task = next(&mut wire).await;
    }
    assert_eq!(task["status"], "completed");
    assert!(begun.elapsed() <= Duration::from_secs(60), "within a lease for each of both ways");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_bounded_and_needs_a_store() {
    let store = super::flaky::Flaky::new();
    let fleet = Fleet::with_store(store.clone());
    let site = site(fleet.replica());
    let many: Vec<_> = (0..257).map(|id| id.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let answer = site.send(post("subscriptions/listen", json!({"notifications": {"taskIds": many}}))).await;
    assert_eq!(answer.error(), (200, -32602));
    store.set_down(true);
    let answer = site.send(post("subscriptions/listen", json!({"notifications": {"taskIds": ["x"]}}))).await;
    assert_eq!(answer.error(), (503, -32603));
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_listener_outlives_that_the_store_is_away() {
    let store = super::flaky::Flaky::new();
    let fleet = Fleet::with_store(store.clone());
    let site = site(fleet.replica());
    let created =
        site.result(post("tools/call", json!({"name": "required", "arguments": {"seconds": 5}}))).await;
    let mut wire = listen(&site, &[created["taskId"].as_str().expect("an id")]).await;
    wire.message().await;
    assert_eq!(next(&mut wire).await["status"], "working");
    store.set_down(true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    store.set_down(false);
    assert_eq!(next(&mut wire).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_to_fail_is_asked_again_soon() {
    let fleet = Fleet::new();
    let doomed = fleet.doomed();
    let (cut_off, other) = (site(doomed.replica), site(fleet.replica()));
    let created = other.result(post("tools/call", json!({"name": "confirm", "arguments": {}}))).await;
    let id = created["taskId"].as_str().expect("an id");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut wire = listen(&cut_off, &[id]).await;
    wire.message().await;
    assert_eq!(next(&mut wire).await["status"], "input_required");
    doomed.way.set_patience(Duration::from_secs(3));
    doomed.way.set_down(true);
    let answers = json!({"confirm": {"action": "accept", "content": {"really": true}}});
    other.result(post("tasks/update", json!({"taskId": id, "inputResponses": answers}))).await;
    let heard = async {
        let mut task = next(&mut wire).await;
        while task["status"] == "working" {
            task = next(&mut wire).await;
        }
        task
    };
    let (task, took) = tokio::join!(async { (heard.await, tokio::time::Instant::now()) }, async {
        tokio::time::sleep(Duration::from_secs(17)).await;
        doomed.way.set_down(false);
        tokio::time::Instant::now()
    });
    assert_eq!(task.0["status"], "completed");
    let took = task.1 - took;
    assert!(took <= Duration::from_secs(5), "{took:?}");
}
