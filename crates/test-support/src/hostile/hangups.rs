//! Clients that disconnect in the middle of a request, or close one half of the connection.

use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{
    contract::{self, is_bare_refusal},
    requests::{Era, body, call},
    storm::{endure, scale},
    target::{Example, Target},
    wire::{LIMIT, Trouble, Until},
};

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Farewell {
    Close,
    Reset,
    /// Sends no more, but continues to read.
    Half,
}

/// Requests that start different work: a call, a stream, a question, a listener, a long list.
fn requests(target: &Target) -> Vec<Vec<u8>> {
    let example = target.example;
    let mut requests = vec![target.usual_call(1)];
    let mut add = |body| requests.push(target.http(Era::Modern, &body).bytes());
    add(body(Era::Modern, 1, "tools/list", json!({})));
    add(body(Era::Modern, 1, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})));
    if let Some(tool) = example.countdown {
        let arguments = json!({"from": 1_000_000, "interval_ms": 1});
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}});
        add(body(Era::Modern, 1, "tools/call", params));
        // It sends nothing before its end: only the connection shows that the client left.
        let arguments = json!({"from": 1_000_000, "interval_ms": 1000});
        add(call(Era::Modern, 1, tool, &arguments));
    }
    if let Some((tool, arguments)) = example.echo {
        add(call(Era::Modern, 1, tool, &arguments(&"x".repeat(scale(20_000, 300_000)))));
    }
    if let Some(asking) = &example.asking {
        let arguments = serde_json::from_str(asking.arguments).expect("arguments are JSON");
        let body = call(Era::Legacy, 1, asking.tool, &arguments);
        requests.push(target.http(Era::Legacy, &body).bytes());
    }
    requests
}

async fn leave(target: &Target, bytes: &[u8], reads: bool, farewell: Farewell) {
    target.count();
    let mut wire = target.connect().await;
    // The server may have closed the connection already, as it is allowed to.
    let _ = wire.send(bytes).await;
    if reads {
        let _ = tokio::time::timeout(LIMIT, wire.stream.readable()).await;
    }
    match farewell {
        Farewell::Close => {}
        Farewell::Reset => wire.reset(),
        Farewell::Half => {
            let _ = wire.stream.shutdown().await;
            let case = "half closed";
            match wire.answer(Until::FirstEvent).await {
                Ok(response) if is_bare_refusal(&response) => {}
                Ok(response) => {
                    if let Err(fault) = contract::judge(&response, None) {
                        target.found(case, fault);
                    }
                }
                Err(Trouble::Closed | Trouble::Reset) => {}
                Err(trouble) => target.found(case, format!("{trouble:?}")),
            }
        }
    }
}

pub async fn hang_ups(example: &'static Example) {
    endure(example, "hang-ups", async |target| {
        let requests = requests(target);
        let mut cases = Vec::new();
        for request in &requests {
            let head = request.windows(4).position(|end| end == b"\r\n\r\n").expect("it has a head") + 4;
            let ends = [0, 1, head / 2, head - 1, head, head + 1, request.len() - 1, request.len()];
            for farewell in [Farewell::Close, Farewell::Reset, Farewell::Half] {
                for end in ends {
                    let repeats = scale(2, 30);
                    cases.extend((0..repeats).map(|_| leave(target, &request[..end], false, farewell)));
                }
            }
            // Some disconnect once the answer has started, unless it starts much later.
            let is_silent = request.windows(18).any(|text| text == br#""interval_ms":1000"#);
            if !is_silent {
                for farewell in [Farewell::Close, Farewell::Reset] {
                    let repeats = scale(10, 100);
                    cases.extend((0..repeats).map(|_| leave(target, request, true, farewell)));
                }
            }
        }
        stream::iter(cases).for_each_concurrent(16, |left| left).await;
    })
    .await;
}
