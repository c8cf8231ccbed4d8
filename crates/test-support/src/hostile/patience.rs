//! Every server gives up on clients that stall.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, time::Instant};

use super::{
    contract,
    process::Usage,
    requests::{Era, body, call},
    target::{Example, Target},
    wire::{Response, Until, Wire},
};

/// How long a server may wait for a client that does nothing. Servers' limits are between half a
/// minute and a minute; this only distinguishes them from waiting forever.
const LIMIT: Duration = Duration::from_secs(100);
/// How long nothing may move before the client assumes that the server waits.
const STILL: Duration = Duration::from_secs(3);
/// How many clients stall in each way.
const CLIENTS: usize = 3;

/// A way to stall.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// Whether the client reads.
    reads: bool,
    /// Whether an answer is due.
    status: Option<u16>,
}

fn cases(target: &Target) -> Vec<Case> {
    let proper = target.usual_call(1);
    let head = proper.windows(4).position(|end| end == b"\r\n\r\n").expect("it has a head") + 4;
    let silent = |name, bytes: &[u8]| Case { name, bytes: bytes.to_vec(), reads: true, status: None };
    let mut cases = vec![
        silent("a connection that says nothing", b""),
        silent("one that begins a head", &proper[..head / 2]),
        silent("one that sends line ends alone", b"\r\n\r\n"),
        Case { status: Some(408), ..silent("one that announces a body", &proper[..head]) },
        Case { status: Some(408), ..silent("one that begins a body", &proper[..head + 5]) },
        Case { reads: false, ..silent("one that asks without reading", &proper.repeat(20_000)) },
    ];
    if let Some((tool, arguments)) = target.example.echo {
        let request = call(Era::Legacy, 1, tool, &arguments(&"x".repeat(1_000_000)));
        let bytes = target.http(Era::Legacy, &request).bytes().repeat(10);
        cases.push(Case { reads: false, ..silent("one that does not read a large answer", &bytes) });
    }
    if let Some(tool) = target.example.countdown {
        let arguments = json!({"from": u32::MAX, "interval_ms": 0});
        let params =
            json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "x".repeat(1000)}});
        let request = body(Era::Modern, 1, "tools/call", params);
        let bytes = target.http(Era::Modern, &request).bytes();
        cases.push(Case { reads: false, ..silent("one that does not read a stream", &bytes) });
    }
    cases
}

/// Whether the server has closed the connection in time. A due answer is checked.
async fn is_given_up(target: &Target, case: &Case) -> bool {
    let connecting = if case.reads {
        Wire::connect(target.address).await
    } else {
        Wire::connect_narrow(target.address).await
    };
    let Ok(mut wire) = connecting else { return true };
    wire.fill(&case.bytes, STILL).await;
    let deadline = Instant::now() + LIMIT;
    if case.reads {
        let mut answer = Vec::new();
        let reading = tokio::time::timeout_at(deadline, wire.stream.read_to_end(&mut answer)).await;
        if let Some(status) = case.status {
            match Response::from_bytes(&answer) {
                Some(response) if response.status == status => {
                    if let Err(fault) = contract::judge(&response, None) {
                        target.found(case.name, fault);
                    }
                }
                _ => target.found(case.name, format!("no {status}: {:?}", String::from_utf8_lossy(&answer))),
            }
        }
        return reading.is_ok();
    }
    // A client that does not read cannot notice; the server's table of connections shows it.
    let port = wire.stream.local_addr().expect("a connected socket").port();
    while target.process.holds(port) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    true
}

/// Runs them concurrently, each as a task: a slow client would be taken for a stalled one.
async fn spawned<T: Send + 'static>(
    all: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let results = join_all(all.map(tokio::spawn)).await.into_iter();
    results.map(|result| result.expect("a test tells what it finds")).collect()
}

async fn stand_still(example: &'static Example) -> Vec<String> {
    let target = Target::start(example).await;
    let calm = target.process.settles().await.expect("it runs");
    // The memory of a cold process means nothing; the storms warm theirs up.
    let calm = Usage { memory: usize::MAX / 2, ..calm };
    let target = Arc::new(target);
    let cases = cases(&target).into_iter().map(Arc::new);
    let clients = cases.flat_map(|case| vec![case; CLIENTS]).map(|case| {
        let target = Arc::clone(&target);
        async move {
            if !is_given_up(&target, &case).await {
                target.found(case.name, format!("is kept after {LIMIT:?}"));
            }
        }
    });
    spawned(clients).await;
    let answer = target.ask("afterwards", &target.usual_call(1), Some("1")).await;
    if answer.is_some_and(|answer| answer != (200, None)) {
        target.found("afterwards", format!("{answer:?}"));
    }
    if let Err(fault) = target.process.recovers(calm).await {
        target.found("afterwards", fault);
    }
    target.findings().lines().map(|finding| format!("{}: {finding}", example.name)).collect()
}

/// Lets clients stall, with all servers at the same time because most of the time is spent waiting.
/// Requires a multi-threaded runtime.
pub async fn a_client_that_stands_still_is_given_up(examples: &[&'static Example]) {
    super::process::raise_descriptor_limit();
    let findings: Vec<_> = spawned(examples.iter().copied().map(stand_still)).await.concat();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// A slow client that continues in time is served.
pub async fn a_client_that_is_slow_is_served(examples: &[&'static Example]) {
    let served = examples.iter().copied().map(|example| async move {
        let target = Target::start(example).await;
        let mut wire = target.connect().await;
        let request = target.usual_call(1);
        for piece in request.chunks(request.len().div_ceil(20)) {
            wire.send(piece).await.expect("a server that reads");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let answer = wire.answer(Until::End).await;
        target.judge("slowly", &answer, Some("1"));
        let value: Value =
            answer.map(|answer| serde_json::from_slice(&answer.body)).expect("an answer").expect("JSON");
        assert!(value.to_string().contains(example.answer.trim_matches('"')), "{}: {value}", example.name);
        target.findings()
    });
    let findings: String = spawned(served).await.concat();
    assert!(findings.is_empty(), "{findings}");
}
