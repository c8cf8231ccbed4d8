//! Calls, sessions and children when servers fail and when the gateway ends.

use rmcp::model::ServerResult;
use serde_json::json;
use test_support::{
    rmcp_client, upstreams as cast,
    wait::{LIMIT, until},
};
use tokio::time::timeout;

use super::support::{connect, gateway, is_error, kill, line, number, runs};

#[tokio::test]
async fn one_server_that_is_down_does_not_take_the_others_with_it() {
    let gateway = gateway(json!({
        "broken": cast::stdio("crasher.py", &["--crash-on-start"]),
        "math": cast::stdio("arithmetic.py", &[]),
    }))
    .await;
    let said = || gateway.said().iter().map(String::as_str);
    assert_eq!(line(said(), "broken")[2], "down");
    assert_eq!(line(said(), "math")[2], "arithmetic");

    let client = connect(gateway.url()).await;
    let tools = client.tools().await;
    assert!(tools.contains(&"math-add".to_owned()), "{tools:?}");
    let answer = client.call("math-add", json!({ "a": 10, "b": 20 })).await.expect("a result");
    assert_eq!(rmcp_client::text(&answer), "30");
    assert!(is_error(&client.call("broken-ok", json!({})).await));
    client.leave().await;
}

#[tokio::test]
async fn a_child_that_is_killed_during_calls_is_there_for_the_next() {
    let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
    let mut client = connect(gateway.url()).await;
    let first = number(&client, "math-whoami").await;

    let call = client.start("math-slow_progress", json!({ "steps": 10_000 })).await;
    client.progress.recv().await.expect("the call is under way");
    kill(first).await;
    let answer = timeout(LIMIT, call.await_response()).await.expect("the call ends with its server");
    let lost = match answer {
        Ok(ServerResult::CallToolResult(result)) => is_error(&Ok(result)),
        Ok(_) => false,
        Err(error) => is_error(&Err(error)),
    };
    assert!(lost, "the call ended as if it had been answered");

    let second = number(&client, "math-whoami").await;
    assert_ne!(first, second);
    client.leave().await;
}

#[tokio::test]
async fn a_server_with_sessions_may_be_restarted() {
    let http = cast::arithmetic_over_http(0).await;
    let port = http.port();
    let gateway = gateway(json!({ "math": cast::http(&http) })).await;
    let client = connect(gateway.url()).await;
    let first = number(&client, "math-whoami").await;

    http.ends_by("KILL").await;
    assert!(is_error(&client.call("math-whoami", json!({})).await));
    // The new process does not know the old one's sessions.
    let _http = cast::arithmetic_over_http(port).await;
    let second = number(&client, "math-whoami").await;
    assert_ne!(first, second);
    client.leave().await;
}

#[tokio::test]
async fn a_session_outlives_the_clients() {
    let counter = cast::typescript("counter.mjs", &[]).await;
    let gateway = gateway(json!({ "counter": cast::http(&counter) })).await;
    for count in 1..=3 {
        let client = connect(gateway.url()).await;
        assert_eq!(number(&client, "counter-count").await, count);
        client.leave().await;
    }
}

#[tokio::test]
async fn a_session_that_the_server_forgets_is_begun_anew() {
    let forgetful = cast::typescript("forgetful.mjs", &[]).await;
    let gateway = gateway(json!({ "forgetful": cast::http(&forgetful) })).await;
    let client = connect(gateway.url()).await;
    for _ in 0..3 {
        assert_eq!(number(&client, "forgetful-count").await, 1);
    }
    client.leave().await;
}

/// Ends on this signal while it serves clients that are stuck.
async fn ends_without_children(signal: &str) {
    let gateway = gateway(json!({
        "math": cast::stdio("arithmetic.py", &[]),
        "crasher": cast::stdio("crasher.py", &[]),
        "stubborn": cast::stdio("silent.py", &["--stubborn"]),
    }))
    .await;
    let client = connect(gateway.url()).await;
    let children = [
        number(&client, "math-whoami").await,
        // A child of the child is ended as well.
        number(&client, "crasher-grandchild").await,
    ];
    assert!(children.into_iter().all(runs));
    client.leave().await;
    let params = json!({"name": "math-slow_progress", "arguments": {"steps": 1_000_000}, "_meta": {"progressToken": 1}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stuck = Vec::new();
    for bytes in ["", "POST /mcp HT", &head, &format!("{head}{body}")] {
        stuck.push(gateway.connect(bytes).await);
    }
    // The call is in flight.
    stuck[3].readable().await.expect("an answer that has begun");
    let ended = gateway.ends_by(signal).await;
    assert_eq!(ended.code(), Some(0), "{signal}");
    until("all children have ended", async || !children.into_iter().any(runs)).await;
}

#[tokio::test]
async fn no_child_is_left_when_it_ends() {
    tokio::join!(ends_without_children("TERM"), ends_without_children("INT"));
}

#[tokio::test]
async fn it_ends_on_both_signals_whatever_its_clients_do() {
    let ends = async |signal| {
        let gateway = gateway(json!({ "down": { "url": "http://127.0.0.1:1/mcp" } })).await;
        gateway.ends_beside_stuck_clients(signal).await;
    };
    tokio::join!(ends("TERM"), ends("INT"));
}

#[tokio::test]
async fn a_call_under_way_is_answered_before_it_ends() {
    let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
    let mut client = connect(gateway.url()).await;
    let call = client.start("math-slow_progress", json!({ "steps": 20 })).await;
    client.progress.recv().await.expect("the call is under way");
    let (ended, answer) = tokio::join!(gateway.ends_by("TERM"), call.await_response());
    assert_eq!(ended.code(), Some(0));
    let Ok(ServerResult::CallToolResult(result)) = answer else { panic!("{answer:?}") };
    assert_eq!(rmcp_client::text(&result), "did 20 steps");
}
