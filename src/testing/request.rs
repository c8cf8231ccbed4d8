//! The requests of a test client.

use http::{Extensions, HeaderMap, HeaderValue, Request};
use serde_json::{Map, Value, json};

use crate::protocol::{Era, LogLevel, Revision, header_value, meta};

/// The parts that all requests of a client share.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) revision: Revision,
    pub(super) headers: HeaderMap,
    pub(super) extensions: Extensions,
    pub(super) capabilities: Value,
    pub(super) log_level: Option<LogLevel>,
}

impl Caller {
    pub(super) fn new(revision: Revision) -> Self {
        Self {
            revision,
            headers: HeaderMap::new(),
            extensions: Extensions::new(),
            capabilities: json!({
                "elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {},
            }),
            log_level: Some(LogLevel::Debug),
        }
    }

    /// Builds the HTTP request for a JSON-RPC request.
    pub(super) fn request(&self, method: &str, mut params: Map<String, Value>) -> Request<String> {
        let name =
            ["name", "uri", "taskId"].iter().find_map(|key| params.get(*key)?.as_str()).map(header_value);
        let meta = self.meta(&params);
        params.insert("_meta".to_owned(), meta.into());
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = self.post(message.to_string());
        if self.revision.era() == Era::Modern {
            let headers = request.headers_mut();
            headers.insert("mcp-method", header_value(method));
            if let Some(name) = name.filter(|_| NAMED.contains(&method)) {
                headers.insert("mcp-name", name);
            }
        }
        request
    }

    /// Builds the HTTP request for any message.
    pub(super) fn post(&self, message: String) -> Request<String> {
        let mut request = Request::new(message);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("http://localhost/mcp");
        *request.extensions_mut() = self.extensions.clone();
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("accept", HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert("mcp-protocol-version", HeaderValue::from_static(self.revision.as_str()));
        headers.extend(self.headers.clone());
        request
    }

    pub(super) fn meta(&self, params: &Map<String, Value>) -> Map<String, Value> {
        let mut members = match params.get("_meta") {
            Some(Value::Object(members)) => members.clone(),
            _ => Map::new(),
        };
        members.insert("progressToken".to_owned(), "progress".into());
        if self.revision.era() == Era::Modern {
            members.insert(meta::PROTOCOL_VERSION.to_owned(), self.revision.as_str().into());
            members.insert(meta::CLIENT_CAPABILITIES.to_owned(), self.capabilities.clone());
            let us = json!({"name": "test", "version": "0.0.0"});
            members.insert(meta::CLIENT_INFO.to_owned(), us);
            if let Some(level) = self.log_level {
                members.insert(meta::LOG_LEVEL.to_owned(), json!(level));
            }
        }
        members
    }
}

/// The methods whose `Mcp-Name` header repeats the item's name.
const NAMED: [&str; 6] =
    ["tools/call", "prompts/get", "resources/read", "tasks/get", "tasks/update", "tasks/cancel"];
