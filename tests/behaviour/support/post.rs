//! Requests.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use mcp_stateless::Principal;
use serde_json::{Value, json};

pub(crate) const MODERN: &str = "2026-07-28";

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Post {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    principal: Option<Principal>,
}

impl Post {
    pub(crate) fn raw(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut post = Self { method: Method::POST, headers: HeaderMap::new(), body, principal: None };
        for (name, value) in [
            ("host", "localhost:8000"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ] {
            post = post.header(name, value);
        }
        post
    }

    /// Creates a request of the legacy era, without a version header.
    pub(crate) fn legacy(method: &str, params: &Value) -> Self {
        Self::raw(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
    }

    /// Creates a complete request of the modern era.
    pub(crate) fn modern(method: &str, mut params: Value) -> Self {
        let name = params["name"].as_str().or(params["uri"].as_str()).map(str::to_owned);
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(more) = params["_meta"].as_object() {
            meta.as_object_mut().expect("an object").extend(more.clone());
        }
        params["_meta"] = meta;
        let mut post =
            Self::legacy(method, &params).header("mcp-protocol-version", MODERN).header("mcp-method", method);
        if let Some(name) = name {
            post = post.header("mcp-name", &name);
        }
        post
    }

    /// Creates a `tools/call` of either era.
    pub(crate) fn call(era: Era, tool: &str, arguments: Value) -> Self {
        Self::call_with_meta(era, tool, arguments, json!({}))
    }

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    pub(crate) fn call_with_meta(era: Era, tool: &str, arguments: Value, meta: Value) -> Self {
        let mut params = json!({"name": tool, "arguments": arguments});
        params["_meta"] = meta;
        era.post("tools/call", params)
    }

    /// Sets the caller, as the host's authentication does.
    pub(crate) fn of(mut self, principal: &str) -> Self {
        self.principal = Some(Principal::new(principal));
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        self
    }

    /// Adds a header, without replacing others of the same name.
    pub(crate) fn line(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Returns the body, shared with the request.
    pub(crate) fn text(&self) -> Bytes {
        self.body.clone()
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Replaces a part of the body's text.
    pub(crate) fn edit(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body.to_vec()).expect("UTF-8");
        assert!(text.contains(from), "{text} has no {from}");
        self.body(text.replace(from, to))
    }

    pub(crate) fn into_request(self) -> Request<http_body_util::Full<Bytes>> {
        let mut request = Request::new(http_body_util::Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = "/mcp".parse().expect("a path");
        *request.headers_mut() = self.headers;
        if let Some(principal) = self.principal {
            request.extensions_mut().insert(principal);
        }
        request
    }
}

/// Both eras, for tests that cover both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(crate) const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn post(self, method: &str, params: Value) -> Post {
        match self {
            Self::Legacy => Post::legacy(method, &params),
            Self::Modern => Post::modern(method, params),
        }
    }
}
