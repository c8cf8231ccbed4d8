//! Invariants for everything that an upstream can send.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use mcp_stateless::StatelessSessionManager;
use mcp_stateless_upstream::Upstream;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

/// Longer than every limit of an upstream and of a manager, so only a call that hangs takes so long.
/// The clock is paused, so this does not take real time.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// Uses the lines of the data as the messages that an upstream sends when it is called, in a session
/// that opened normally. `ID` in them is replaced with the call's id. The call must always end, with
/// a reply that is valid in the protocol.
pub fn upstream(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let script = data.to_vec();
        let server = tokio::spawn(async move { serve(theirs, &script).await });
        let (reader, writer) = tokio::io::split(ours);
        let upstream = Upstream::io(reader, writer).name("fuzz").build().expect("valid settings");
        let manager = StatelessSessionManager::builder("fuzz", "1.0.0").build().expect("valid settings");
        for (method, params) in [
            ("tools/call", json!({"name": "t"})),
            ("tools/list", json!({})),
            ("resources/read", json!({"uri": "a:b"})),
        ] {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let request =
                Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
            let request = request.body(Full::<Bytes>::from(body.to_string())).expect("a request");
            let answered = async {
                let (head, body) = manager.handle(request, &upstream).await.into_parts();
                (head, body.collect().await.map(http_body_util::Collected::to_bytes))
            };
            let (head, body) = tokio::time::timeout(FOR_EVER, answered).await.expect("it hangs");
            let body = body.unwrap_or_else(|error| match error {}).to_vec();
            crate::check(&http::Response::from_parts(head, body), b"{}");
        }
        upstream.shut_down().await;
        server.abort();
    });
}

/// Opens the session normally, then follows the script.
async fn serve(stream: DuplexStream, script: &[u8]) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).expect("the client sends JSON");
        let Some(id) = message.get("id") else { continue };
        let answer = match message["method"].as_str() {
            Some("server/discover") => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}}).to_string()
            }
            Some("initialize") => json!({"jsonrpc": "2.0", "id": id, "result": {
                "protocolVersion": "2025-11-25", "serverInfo": {"name": "s", "version": "1"},
                "capabilities": {"tools": {"listChanged": true}, "resources": {}, "logging": {}},
            }})
            .to_string(),
            // The answer to a question of the script.
            None => continue,
            Some(_) => {
                let mut sent = Vec::new();
                for line in script.split(|&byte| byte == b'\n') {
                    sent.extend_from_slice(&replaced(line, id));
                    sent.push(b'\n');
                }
                if writer.write_all(&sent).await.is_err() {
                    return;
                }
                json!({"jsonrpc": "2.0", "id": id, "result": {"content": [], "tools": [], "contents": []}})
                    .to_string()
            }
        };
        if writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn replaced(line: &[u8], id: &Value) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.windows(2).position(|window| window == b"ID") {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(id.to_string().as_bytes());
        rest = &rest[at + 2..];
    }
    replaced.extend_from_slice(rest);
    replaced
}
