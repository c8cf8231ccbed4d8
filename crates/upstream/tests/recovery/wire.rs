//! A server behind a pair of streams, whose lines a test reads and writes.

use mcp_stateless_upstream::Upstream;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};

pub(crate) struct Peer {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    output: WriteHalf<DuplexStream>,
    capabilities: Value,
    is_modern: bool,
}

impl Peer {
    fn new(capabilities: Value, is_modern: bool) -> (Upstream, Self) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(ours);
        let (input, output) = tokio::io::split(theirs);
        let upstream = Upstream::io(reader, writer).name("peer").build().expect("valid settings");
        let lines = BufReader::new(input).lines();
        (upstream, Self { lines, output, capabilities, is_modern })
    }

    pub(crate) fn legacy(capabilities: Value) -> (Upstream, Self) {
        Self::new(capabilities, false)
    }

    pub(crate) fn modern(capabilities: Value) -> (Upstream, Self) {
        Self::new(capabilities, true)
    }

    /// Reads the next message.
    pub(crate) async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("readable").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Returns the next request of this method, and opens the session if necessary. Other requests get
    /// no response.
    pub(crate) async fn open(&mut self, method: &str) -> Value {
        loop {
            let message = self.next().await;
            let capabilities = self.capabilities.clone();
            match message["method"].as_str().unwrap_or_default() {
                "server/discover" if self.is_modern => {
                    let about = json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities});
                    self.answer(&message, about).await;
                }
                "server/discover" => self.refuse(&message, -32601).await,
                "initialize" => {
                    let about = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                        "serverInfo": {"name": "peer", "version": "1"}});
                    self.answer(&message, about).await;
                }
                other if other == method => return message,
                _ => {}
            }
        }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.output.write_all(format!("{message}\n").as_bytes()).await.expect("written");
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
    }

    pub(crate) async fn refuse(&mut self, request: &Value, code: i64) {
        let error = json!({"code": code, "message": "no"});
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "error": error})).await;
    }
}
