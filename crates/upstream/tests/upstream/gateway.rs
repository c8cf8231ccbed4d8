//! A manager with an upstream, and its clients.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use mcp_stateless::manager::{Body, ManagerBuilder};
use mcp_stateless::{Principal, StatelessSessionManager};
use mcp_stateless_upstream::{Upstream, UpstreamBuilder};
use serde_json::{Value, json};

const MODERN: &str = "2026-07-28";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(super) const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];
}

/// A manager in front of one upstream.
pub(super) struct Gateway {
    manager: StatelessSessionManager,
    pub(super) upstream: Upstream,
}

/// A client of one era, as one caller.
#[derive(Clone, Copy)]
pub(super) struct Client<'g> {
    gateway: &'g Gateway,
    era: Era,
    caller: &'g str,
}

impl Gateway {
    pub(super) fn new(upstream: UpstreamBuilder) -> Self {
        Self::with(upstream, |manager| manager)
    }

    pub(super) fn with(
        upstream: UpstreamBuilder,
        set: impl FnOnce(ManagerBuilder) -> ManagerBuilder,
    ) -> Self {
        let manager = set(StatelessSessionManager::builder("gateway", "1.0.0")).build();
        Self {
            manager: manager.expect("valid settings"),
            upstream: upstream.build().expect("valid settings"),
        }
    }

    pub(super) fn client<'g>(&'g self, era: Era, caller: &'g str) -> Client<'g> {
        Client { gateway: self, era, caller }
    }
}

/// The parameters of a request.
#[derive(Clone)]
pub(super) struct Params(pub(super) Value);

impl Params {
    /// The parameters of a call of a tool or a prompt.
    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    pub(super) fn call(name: &str, arguments: Value) -> Self {
        Self(json!({"name": name, "arguments": arguments}))
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }
}

impl Client<'_> {
    /// Sends a request and returns the messages of the response.
    pub(super) async fn send(&self, method: &str, params: Params) -> Vec<Value> {
        let mut stream = self.open(method, params).await;
        let mut messages = Vec::new();
        while let Some(message) = stream.next().await {
            messages.push(message);
        }
        messages
    }

    /// Sends a request and returns the last message of the response.
    pub(super) async fn ask(&self, method: &str, params: Params) -> Value {
        self.send(method, params).await.pop().expect("an answer")
    }

    /// Calls a tool.
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", Params::call(tool, arguments)).await
    }

    /// Calls a tool and returns the text of its result.
    pub(super) async fn tool(&self, name: &str, arguments: Value) -> String {
        text(&self.call(name, arguments).await)
    }

    /// Sends a request and returns its response as a stream.
    pub(super) async fn open(&self, method: &str, Params(mut params): Params) -> Stream {
        let mut request = Request::post("/mcp");
        if self.era == Era::Modern {
            let mut meta = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
                "io.modelcontextprotocol/logLevel": "debug",
            });
            let own = params["_meta"].as_object().cloned().unwrap_or_default();
            meta.as_object_mut().expect("an object").extend(own);
            params["_meta"] = meta;
            request = request.header("mcp-protocol-version", MODERN).header("mcp-method", method);
            if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
                request = request.header("mcp-name", name);
            }
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Stream { response: self.post(request, &body).await, text: String::new() }
    }

    /// Answers a question that arrived on a stream.
    pub(super) async fn answer(&self, id: &Value, result: Value) {
        let message = json!({"jsonrpc": "2.0", "id": id, "result": result});
        assert_eq!(self.post(Request::post("/mcp"), &message).await.status(), 202);
    }

    async fn post(&self, request: http::request::Builder, body: &Value) -> Response<Body> {
        let request = request
            .extension(Principal::new(self.caller))
            .header("host", "localhost:8000")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("x-caller", self.caller)
            .header("authorization", "secret")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        self.gateway.manager.handle(request, &self.gateway.upstream).await
    }
}

/// A response stream.
pub(super) struct Stream {
    response: Response<Body>,
    text: String,
}

impl Stream {
    /// Returns the next message.
    pub(super) async fn next(&mut self) -> Option<Value> {
        let is_stream = self.response.headers()["content-type"] == "text/event-stream";
        loop {
            if is_stream && let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                match event.trim_end().strip_prefix("data: ") {
                    Some(data) => return Some(serde_json::from_str(data).expect("JSON")),
                    None => continue,
                }
            }
            match self.response.body_mut().frame().await {
                Some(frame) => {
                    let data = frame.expect("infallible").into_data().expect("data");
                    self.text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
                }
                None if self.text.is_empty() => return None,
                None => return Some(serde_json::from_str(&std::mem::take(&mut self.text)).expect("JSON")),
            }
        }
    }

    /// Returns the rest of the stream as text.
    pub(super) async fn raw(self) -> String {
        let body = self.response.into_body().collect().await.expect("infallible").to_bytes();
        String::from_utf8(body.to_vec()).expect("UTF-8")
    }
}

/// Returns the text of a tool's result.
pub(super) fn text(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

/// Returns the code and the message of an error.
pub(super) fn error(answer: &Value) -> (i64, String) {
    let error = &answer["error"];
    let code = error["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"));
    (code, error["message"].as_str().expect("a message").to_owned())
}
