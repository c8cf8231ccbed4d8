//! Valid requests, which the storms spoil.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

pub const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

/// The body of a request.
pub fn body(era: Era, id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": with_meta(era, params)})
}

/// The body of a call.
pub fn call(era: Era, id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    body(era, id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

fn with_meta(era: Era, mut params: Value) -> Value {
    if era == Era::Modern {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "hostile", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {
                "elicitation": {}, "sampling": {}, "roots": {},
                "extensions": {"io.modelcontextprotocol/tasks": {}},
            },
        });
        match (params.get_mut("_meta").and_then(Value::as_object_mut), meta) {
            (Some(known), Value::Object(meta)) => known.extend(meta),
            (_, meta) => params["_meta"] = meta,
        }
    }
    params
}

/// An HTTP request, which may be spoilt before it is written.
#[derive(Clone, Debug)]
#[must_use]
pub struct Http {
    pub line: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Http {
    /// A POST with this body, and the headers that match it.
    pub fn post(era: Era, body: &Value) -> Self {
        let mut request = Self {
            line: b"POST /mcp HTTP/1.1".to_vec(),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
        .with("Content-Type", "application/json")
        .with("Accept", "application/json, text/event-stream");
        if era == Era::Legacy {
            return request.with("MCP-Protocol-Version", LEGACY);
        }
        request = request.with("MCP-Protocol-Version", MODERN);
        if let Some(method) = body["method"].as_str() {
            request = request.with("Mcp-Method", &encoded(method));
        }
        let params = &body["params"];
        match ["name", "uri", "taskId"].iter().find_map(|name| params[*name].as_str()) {
            Some(name) => request.with("Mcp-Name", &encoded(name)),
            None => request,
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        self
    }

    /// Replaces a header.
    pub fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the bytes, without the length of the body.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = self.line.clone();
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in &self.headers {
            bytes.extend_from_slice(&[name, &b": "[..], value, b"\r\n"].concat());
        }
        bytes
    }

    /// Returns the bytes of a valid request.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_of_length(&self.body.len().to_string())
    }

    /// Does the same with any `Content-Length`.
    pub fn bytes_of_length(&self, length: &str) -> Vec<u8> {
        [&self.head()[..], b"Content-Length: ", length.as_bytes(), b"\r\n\r\n", &self.body].concat()
    }

    /// Does the same in chunks of this size.
    pub fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = [&self.head()[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat();
        for chunk in self.body.chunks(size) {
            let mut line = String::new();
            // Writing to a string never fails.
            let _ = write!(line, "{:x}\r\n", chunk.len());
            bytes.extend_from_slice(&[line.as_bytes(), chunk, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// Encodes any text as a header value.
pub fn encoded(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    if is_plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}
