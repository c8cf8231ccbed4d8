//! Clients that do not read the answers to their requests.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};

use super::{
    requests::{Era, body, call},
    storm::{endure, scale},
    target::{Example, Target},
    wire::Wire,
};

/// How long nothing may move before a client assumes that the server waits.
const STILL: Duration = Duration::from_millis(300);
const MIB: usize = 1024 * 1024;

/// A request whose answer is as large as this text: a tool or an error repeats it.
fn large(target: &Target, text: &str) -> Vec<u8> {
    let body = match target.example.echo {
        Some((tool, arguments)) => call(Era::Legacy, 1, tool, &arguments(text)),
        None => body(Era::Legacy, 1, text, json!({})),
    };
    target.http(Era::Legacy, &body).bytes()
}

/// Asserts that the server holds no more than this for clients that do not read.
fn bound(target: &Target, case: &str, before: usize, most: usize) {
    let now = target.process.memory().unwrap_or_default();
    if now > before + most / 1024 {
        let (now, most) = (now / 1024, most / MIB);
        target.found(case, format!("it holds {now} MiB, {} before, and may hold {most} more", before / 1024));
    }
}

/// Large answers that nobody reads.
pub async fn large_answers_unread(example: &'static Example) {
    endure(example, "large answers that nobody reads", async |target| {
        let before = target.process.memory().unwrap_or_default();
        let request = large(target, &"x".repeat(scale(256 * 1024, 3 * MIB)));
        let clients = scale(8, 64);
        let sending = (0..clients).map(|_| async {
            let mut wire = target.connect_narrow().await;
            target.count();
            wire.fill(&request, STILL).await;
            wire
        });
        let wires: Vec<_> = stream::iter(sending).buffer_unordered(16).collect().await;
        // A request, its answer, and buffers in between.
        bound(target, "large answers", before, clients * 16 * MIB + 64 * MIB);
        drop(wires);
    })
    .await;
}

/// Endless requests whose answers are not read: the server stops reading.
pub async fn requests_without_reading(example: &'static Example) {
    endure(example, "requests without reading", async |target| {
        let before = target.process.memory().unwrap_or_default();
        let clients = scale(4, 32);
        let many: Vec<u8> = target.usual_call(1).repeat(scale(20_000, 100_000));
        let large: Vec<u8> = large(target, &"x".repeat(16 * 1024)).repeat(scale(500, 2000));
        for bytes in [&many, &large] {
            let sending = (0..clients).map(|_| async {
                let mut wire = target.connect_narrow().await;
                target.count();
                wire.fill(bytes, STILL).await;
                wire
            });
            let wires = join_all(sending).await;
            bound(target, "requests whose answers are not read", before, clients * 4 * MIB + 64 * MIB);
            drop(wires);
        }
    })
    .await;
}

/// Endless streams of notifications that are not read, or read slowly.
pub async fn streams_unread(example: &'static Example) {
    endure(example, "streams that nobody reads", async |target| {
        let Some(request) = stream_of(target) else { return };
        let before = target.process.memory().unwrap_or_default();
        let clients = scale(16, 128);
        let opening = (0..clients).map(|_| async {
            let mut wire = target.connect_narrow().await;
            target.count();
            wire.fill(&request, STILL).await;
            wire
        });
        let mut wires: Vec<_> = stream::iter(opening).buffer_unordered(16).collect().await;
        changes(target).await;
        // Half of them read a little now and then.
        for _ in 0..scale(20, 200) {
            for wire in wires.iter_mut().step_by(2) {
                read_some(wire).await;
            }
        }
        bound(target, "streams", before, clients * 2 * MIB + 64 * MIB);
    })
    .await;
}

/// A request with an endless answer.
fn stream_of(target: &Target) -> Option<Vec<u8>> {
    if let Some(tool) = target.example.countdown {
        let arguments = json!({"from": u32::MAX, "interval_ms": 0});
        let params =
            json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "x".repeat(1000)}});
        let body = body(Era::Modern, 1, "tools/call", params);
        return Some(target.http(Era::Modern, &body).bytes());
    }
    let uris: Vec<Value> = (0..1000).map(|number| json!(format!("note://{number}"))).collect();
    let wanted =
        json!({"toolsListChanged": true, "resourcesListChanged": true, "resourceSubscriptions": uris});
    let body = body(Era::Modern, "x".repeat(1000), "subscriptions/listen", json!({"notifications": wanted}));
    target.example.listens.then(|| target.http(Era::Modern, &body).bytes())
}

/// Publishes changes for listening clients.
async fn changes(target: &Target) {
    if !target.example.listens {
        return;
    }
    let tool =
        if target.example.name == "everything" { "test_trigger_tool_change" } else { target.example.tool };
    let arguments: Value = serde_json::from_str(target.example.arguments).expect("arguments are JSON");
    let request = target.http(Era::Modern, &call(Era::Modern, 1, tool, &arguments)).bytes();
    for _ in 0..scale(300, 3000) {
        target.ask("a change", &request, None).await;
    }
}

async fn read_some(wire: &mut Wire) {
    let mut buffer = [0; 512];
    if tokio::time::timeout(STILL, wire.stream.readable()).await.is_ok() {
        // A missing value counts as empty.
        let _ = wire.stream.try_read(&mut buffer);
    }
}
