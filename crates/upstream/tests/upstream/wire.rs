//! The server end of a pair of streams, message by message.

use mcp_stateless_upstream::{Upstream, UpstreamBuilder};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex, split,
};

/// A server whose messages a test reads and writes.
pub(super) struct Wire {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Wire {
    pub(super) fn new() -> (UpstreamBuilder, Self) {
        let (ours, theirs) = duplex(64 * 1024);
        let (reader, writer) = split(ours);
        let upstream = Upstream::io(reader, writer).name("wire");
        let (reader, writer) = split(theirs);
        (upstream, Self { lines: BufReader::new(reader).lines(), writer })
    }

    pub(super) fn writer(&mut self) -> &mut WriteHalf<DuplexStream> {
        &mut self.writer
    }

    /// Reads the next message.
    pub(super) async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("readable").expect("the connection is open");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Returns the next message of this method, and drops those before it.
    pub(super) async fn wait_for(&mut self, method: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["method"] == method {
                return message;
            }
        }
    }

    pub(super) async fn write(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).await.expect("written");
        self.writer.write_all(b"\n").await.expect("written");
        self.writer.flush().await.expect("written");
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.write(&message.to_string()).await;
    }

    pub(super) async fn answer(&mut self, request: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
    }

    pub(super) async fn refuse(&mut self, request: &Value, code: i64) {
        let error = json!({"code": code, "message": "no"});
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "error": error})).await;
    }

    pub(super) async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// The result of `initialize`.
    pub(super) fn about(capabilities: &Value) -> Value {
        let info = json!({"name": "wire", "version": "1"});
        json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info})
    }

    /// Answers the handshake of the legacy era.
    pub(super) async fn open_legacy(&mut self, capabilities: Value) {
        loop {
            let request = self.next().await;
            match request["method"].as_str() {
                Some("initialize") => self.answer(&request, Self::about(&capabilities)).await,
                Some("notifications/initialized") => return,
                _ => self.refuse(&request, -32_601).await,
            }
        }
    }

    /// Answers the handshake of the modern era.
    pub(super) async fn open_modern(&mut self, capabilities: Value) {
        loop {
            let request = self.next().await;
            if request["method"] == "server/discover" {
                let about = json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities});
                self.answer(&request, about).await;
                return;
            }
            self.refuse(&request, -32_601).await;
        }
    }
}

pub(super) fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}
