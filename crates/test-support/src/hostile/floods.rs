//! Floods of connections, listeners and questions.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};

use super::{
    neighbour::{Connects, Neighbour},
    requests::{Era, body, call},
    storm::{endure, scale},
    target::{Asking, Example, Target},
    wire::{LIMIT, Response, Trouble, Until, Wire},
};

/// How many connections are opened at the same time.
const AT_ONCE: usize = 64;

/// Many connections that have sent these bytes.
async fn connections(target: &Target, count: usize, bytes: &[u8]) -> Vec<Wire> {
    let opening = stream::iter(0..count).map(|_| async {
        target.count();
        let mut wire = Wire::connect(target.address).await.ok()?;
        wire.send(bytes).await.ok()?;
        Some(wire)
    });
    opening.buffer_unordered(AT_ONCE).filter_map(async |wire| wire).collect().await
}

/// Connections that send nothing or too little, and then leave.
pub async fn floods_of_connections(example: &'static Example) {
    endure(example, "connections that say nothing", async |target| {
        let call = target.usual_call(1);
        let head = call.windows(4).position(|end| end == b"\r\n\r\n").expect("it has a head") + 4;
        let count = scale(100, 1500);
        let mut kept = Vec::new();
        for bytes in
            [&[][..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM", &call[..head / 2], &call[..head], &call[..head + 9]]
        {
            kept.push(connections(target, count, bytes).await);
        }
        // Half of them close gracefully.
        for (number, wire) in kept.into_iter().flatten().enumerate() {
            if number % 2 == 0 {
                wire.reset();
            }
        }
    })
    .await;
}

/// Connections that are opened and closed.
pub async fn floods_of_visits(example: &'static Example) {
    endure(example, "connections that come and go", async |target| {
        let call = target.usual_call(1);
        for bytes in [&[][..], b"POST", &call] {
            for _ in 0..scale(5, 20) {
                connections(target, scale(50, 200), bytes).await.into_iter().for_each(Wire::reset);
            }
        }
    })
    .await;
}

/// The start of an event stream, and the connection that keeps it open. Any other answer is checked
/// as well.
async fn open_stream(target: &Target, case: &str, bytes: &[u8]) -> Option<(Response, Wire)> {
    let mut wire = Wire::connect(target.address).await.ok()?;
    let answer = wire.exchange(bytes, Until::FirstEvent).await;
    // A client that has to wait for a place waits, and leaves.
    if matches!(answer, Err(Trouble::Hang)) {
        return None;
    }
    let judged = target.judge(case, &answer, None)?;
    if judged.0 != 200 && !matches!(judged, (503, Some(-32603)) | (429, Some(-32600))) {
        target.found(case, format!("{judged:?}"));
    }
    answer.ok().filter(Response::is_stream).map(|response| (response, wire))
}

fn listen(target: &Target) -> Vec<u8> {
    let wanted = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["note://milk", "test://watched-resource"],
    });
    let body = body(Era::Modern, "listener", "subscriptions/listen", json!({"notifications": wanted}));
    target.http(Era::Modern, &body).bytes()
}

/// More listeners than allowed, while the items that they listen to change.
pub async fn floods_of_listeners(example: &'static Example) {
    endure(example, "listeners", async |target| {
        if !target.example.listens {
            return target.ask_for("nothing to listen to", &listen(target), (404, Some(-32601))).await;
        }
        let request = listen(target);
        let opening = (0..scale(300, 1200)).map(|_| open_stream(target, "a listener", &request));
        let opened: Vec<_> = stream::iter(opening).buffer_unordered(AT_ONCE).collect().await;
        let mut listeners: Vec<_> = opened.into_iter().flatten().collect();
        if listeners.is_empty() {
            target.found("a listener", "nobody may listen");
        }
        for _ in 0..scale(10, 50) {
            target.ask("a change", &change(target), None).await;
        }
        let hears = |wire: &Wire| wire.stream.peer_addr().is_ok();
        listeners.retain(|(_, wire)| hears(wire));
        drop(listeners);
        // Their places are free as soon as the server has seen them leave.
        let deadline = tokio::time::Instant::now() + LIMIT;
        while open_stream(target, "a listener afterwards", &request).await.is_none() {
            if tokio::time::Instant::now() > deadline {
                return target.found("a listener afterwards", "no place is free");
            }
        }
    })
    .await;
}

/// A call that changes an item.
fn change(target: &Target) -> Vec<u8> {
    if target.example.name == "everything" {
        let body = call(Era::Modern, 1, "test_trigger_tool_change", &json!({}));
        return target.http(Era::Modern, &body).bytes();
    }
    target.usual_call(1)
}

/// Calls whose user never answers, and answers to questions that were never asked.
pub async fn floods_of_questions(example: &'static Example) {
    endure(example, "questions", async |target| {
        forged_answers(target).await;
        let Some(asking) = &target.example.asking else { return };
        let arguments: Value = serde_json::from_str(asking.arguments).expect("arguments are JSON");
        let legacy = target.http(Era::Legacy, &call(Era::Legacy, 1, asking.tool, &arguments)).bytes();
        let modern = target.http(Era::Modern, &call(Era::Modern, 1, asking.tool, &arguments)).bytes();
        let opening = (0..scale(300, 1200)).map(|_| open_stream(target, "a question", &legacy));
        let parked: Vec<_> = stream::iter(opening).buffer_unordered(AT_ONCE).collect().await;
        let rounds = (0..scale(300, 3000)).map(|_| target.ask_for("a question", &modern, (200, None)));
        stream::iter(rounds).for_each_concurrent(AT_ONCE, |asked| asked).await;
        drop(parked);
        // Their places are free as soon as the server has seen them leave.
        let deadline = tokio::time::Instant::now() + LIMIT;
        while answered(target, asking, &legacy).await.is_none() {
            if tokio::time::Instant::now() > deadline {
                return target.found("a question afterwards", "no place is free");
            }
        }
    })
    .await;
}

/// Runs the first round of a call that asks. The call continues when it is answered.
async fn answered(target: &Target, asking: &Asking, call: &[u8]) -> Option<()> {
    let (question, wire) = open_stream(target, "a question that is answered", call).await?;
    let question: Value = serde_json::from_str(question.messages().first()?).ok()?;
    let content: Value = serde_json::from_str(asking.content).expect("an answer is JSON");
    let answer =
        json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": content}});
    target.ask_for("an answer", &target.http(Era::Legacy, &answer).bytes(), (202, None)).await;
    let more = tokio::time::timeout(LIMIT, wire.stream.readable()).await;
    if more.is_err() {
        target.found("a question that is answered", "the call does not go on");
    }
    Some(())
}

async fn forged_answers(target: &Target) {
    for id in ["1", "\"ask-\"", "\"ask-00000000000000000000000000000000\"", "\"x\"", "\"ask-\\u0030\""] {
        for what in
            [r#""result":{"action":"accept"}"#, r#""error":{"code":1,"message":"x"}"#, r#""result":null"#]
        {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},{what}}}"#);
            let http = target.http(Era::Legacy, &json!({})).with_body(answer.clone());
            target.ask_for(&answer, &http.bytes(), (400, Some(-32600))).await;
        }
    }
    let asked = (0..scale(300, 3000)).map(async |number: usize| {
        let answer = json!({"jsonrpc": "2.0", "id": format!("ask-{number:032x}"), "result": {}});
        let http = target.http(Era::Legacy, &answer);
        target.ask_for("the answer to no question", &http.bytes(), (400, Some(-32600))).await;
    });
    stream::iter(asked).for_each_concurrent(AT_ONCE, |asked| asked).await;
}

/// More connections than the process may have descriptors: open ones are served, and afterwards all
/// clients are.
pub async fn floods_beyond_descriptors(example: &'static Example) {
    super::storm::endure_with_descriptors(example, "more connections than descriptors", 64, async |target| {
        let calm = Neighbour::alone(target).await;
        // Its connection is open before the flood.
        let neighbour = Neighbour::start(target, Connects::Once).await;
        let flood = connections(target, scale(200, 2000), b"POST /mcp").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if let Err(fault) = neighbour.stop().await.compare(&calm) {
            target.found("neighbour", fault);
        }
        drop(flood);
        target.ask("after the flood", &target.usual_call(1), None).await;
    })
    .await;
}

/// Many clients that all behave.
pub async fn floods_of_neighbours(example: &'static Example) {
    endure(example, "many who behave", async |target| {
        let requests = Arc::new(target.usual_call(1));
        let clients = (0..scale(50, 400)).map(|_| {
            let requests = Arc::clone(&requests);
            async move {
                let mut wire = target.connect().await;
                for _ in 0..scale(10, 50) {
                    let answer = wire.exchange(&requests, Until::End).await;
                    target.judge("one of many", &answer, Some("1"));
                }
            }
        });
        join_all(clients).await;
    })
    .await;
}
