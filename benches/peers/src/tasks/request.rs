//! Requests of a client of 2026-07-28 that declares the extension.

use crate::load::Request;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"load","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#;

/// Calls a tool.
pub(super) fn call(tool: &str) -> Request {
    request("tools/call", tool, &format!(r#""name":"{tool}","arguments":{{"a":17,"b":25}}"#))
}

/// Asks about a task.
pub(super) fn get(id: &str) -> Request {
    request("tasks/get", id, &format!(r#""taskId":"{id}""#))
}

fn request(method: &str, name: &str, params: &str) -> Request {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", name),
    ];
    Request {
        headers: headers.map(|(name, value)| (name, value.to_owned())).to_vec(),
        body: format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params},{META}}}}}"#),
    }
}
