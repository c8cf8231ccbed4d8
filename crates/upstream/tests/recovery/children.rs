//! Children that keep running but stop reading.
#![cfg(unix)]

use std::time::Duration;

use mcp_stateless::protocol::Era;
use mcp_stateless::testing::TestClient;
use mcp_stateless_upstream::Upstream;
use serde_json::json;

/// Answers one call and then stops reading.
const DEAF: &str = r#"
import json, os, sys, time
for line in iter(sys.stdin.readline, ""):
    request = json.loads(line)
    if "id" not in request:
        continue
    if request["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "deaf", "version": "1"}}
    else:
        result = {"content": [{"type": "text", "text": str(os.getpid())}]}
        os.close(0)
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
    if request["method"] == "tools/call":
        time.sleep(1000)
"#;

#[tokio::test]
async fn a_child_that_takes_no_more_input_makes_room_for_another() {
    let upstream = Upstream::stdio("python3").args(["-c", DEAF]).name("deaf").era(Era::Legacy);
    let client = TestClient::new(upstream.build().expect("valid settings")).legacy();
    let first = client.call("pid", json!({})).await.text();
    let second = tokio::time::timeout(Duration::from_secs(60), client.call("pid", json!({}))).await;
    assert_ne!(second.expect("the call waits for a child that does not read").text(), first);
}
