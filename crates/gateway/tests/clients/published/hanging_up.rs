//! Clients that disconnect during their calls.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{rmcp_client, server::ExampleServer, upstreams as cast};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::gateway::support::{connect, gateway, number};

/// A hundred per second.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long a step of `slow_progress` takes.
const STEP: Duration = Duration::from_millis(20);
/// About twice what a quick call takes.
const QUICK: Duration = Duration::from_millis(10);
/// How often the other clients call during that time.
const CALLS: u32 = 300;
const CALL_INTERVAL: Duration = Duration::from_millis(25);

/// Clients that connect, call a tool, and disconnect before or just when its answer arrives; until
/// dropped.
pub(super) struct HangingUp(AbortHandle);

impl HangingUp {
    /// They call the tools of an `arithmetic.py` that `gateway` serves under the name `server`.
    pub(super) fn start(gateway: &ExampleServer, server: &str) -> Self {
        let (authority, server) = (gateway.authority().to_owned(), server.to_owned());
        Self(tokio::spawn(come_and_go(authority, server)).abort_handle())
    }
}

impl Drop for HangingUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn come_and_go(authority: String, server: String) {
    let mut clients = JoinSet::new();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        ticks.tick().await;
        while clients.try_join_next().is_some() {}
        let (authority, server) = (authority.clone(), server.clone());
        // From zero to twice the server's time, so that some coincide with its answer.
        let share = u32::try_from(number % 97).expect("less than 97");
        let patience = |most: Duration| most * share / 96;
        match number % 100 {
            // A long call, abandoned at any time: its cancellation may arrive after its end.
            0 => clients.spawn(hang_up_at(authority, server, (1 + share * 5 % 60, 60), patience(2 * STEP))),
            // The answer arrives a step after the last report.
            10 | 30 | 50 | 70 | 90 => {
                clients.spawn(hang_up_at(authority, server, (5, 5), patience(2 * STEP)))
            }
            _ => clients.spawn(hang_up_soon(authority, server, patience(QUICK))),
        };
    }
}

async fn hang_up_soon(authority: String, server: String, patience: Duration) {
    let _stream = call(&authority, &format!("{server}-add"), &json!({ "a": 10, "b": 20 })).await;
    sleep(patience).await;
}

async fn hang_up_at(authority: String, server: String, (step, steps): (u32, u32), patience: Duration) {
    let stream = call(&authority, &format!("{server}-slow_progress"), &json!({ "steps": steps })).await;
    let last = format!("\"step {step}\"");
    let mut lines = BufReader::new(stream).lines();
    // A gateway that abandons the call ends the stream.
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains(&last) {
            return sleep(patience).await;
        }
    }
}

/// Starts a call on a connection that is closed when dropped.
async fn call(authority: &str, tool: &str, arguments: &Value) -> TcpStream {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": 1 } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(authority).await.expect("the gateway listens");
    stream.write_all((head + &body).as_bytes()).await.expect("the gateway reads");
    stream
}

/// Servers on the Python SDK 1.x crash, with all calls in flight, if a cancellation arrives while
/// they answer the call.
#[tokio::test]
async fn clients_that_hang_up_harm_no_call_of_others() {
    let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
    let client = connect(gateway.url()).await;
    let process = number(&client, "math-whoami").await;

    let hanging_up = HangingUp::start(&gateway, "math");
    let mut failed = Vec::new();
    let mut ticks = interval(CALL_INTERVAL);
    for number in 0..CALLS {
        ticks.tick().await;
        match client.call("math-add", json!({ "a": number, "b": 1 })).await {
            Ok(answer) => assert_eq!(rmcp_client::text(&answer), (number + 1).to_string()),
            Err(error) => failed.push(error.to_string()),
        }
    }
    drop(hanging_up);
    let lost = failed.len();
    failed.dedup();
    assert_eq!(lost, 0, "of {CALLS} calls so many failed: {failed:?}");
    assert_eq!(number(&client, "math-whoami").await, process, "the server was started anew");
    client.leave().await;
}
