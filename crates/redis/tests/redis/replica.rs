//! A replica of a server, within the process of the test.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use mcp_stateless::ask::{AskError, StateKeys};
use mcp_stateless::call::NoArguments;
use mcp_stateless::changes::Changes;
use mcp_stateless::manager::Body;
use mcp_stateless::registry::Live;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{CallContext, Catalog, ResourceRegistry, StatelessSessionManager, ToolRegistry};
use mcp_stateless_redis::{Redis, RedisBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use test_support::wait;
use tokio::time::timeout;

const MODERN: &str = "2026-07-28";

/// The time limit for a message, so that a failing test ends.
pub(crate) const HANG: Duration = Duration::from_secs(30);

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: i64,
    b: i64,
}

/// A replica, whose clients call it in memory.
pub(crate) struct Replica {
    pub(crate) redis: Redis,
    pub(crate) manager: StatelessSessionManager,
    pub(crate) registry: Live<Catalog>,
}

/// Settings that make a test wait for as little as possible.
pub(crate) fn quick(url: impl Into<String>) -> RedisBuilder {
    Redis::builder(url)
        .prefix("test")
        .response_timeout(Duration::from_millis(500))
        .command_timeout(Duration::from_secs(1))
}

async fn greet(_: NoArguments, cx: CallContext) -> Result<String, AskError> {
    let Name { name } = cx.elicit("name", "What is your name?").await?;
    Ok(format!("Hello, {name}"))
}

fn catalog() -> Catalog {
    let tools = ToolRegistry::builder()
        .tool("add", "", async |Pair { a, b }: Pair| a + b)
        .tool("greet", "", greet)
        .build()
        .expect("valid tools");
    let resources = ResourceRegistry::builder().resource("a:1", "", async || "").build();
    Catalog::builder().add(tools).add(resources.expect("valid resources")).build().expect("no collisions")
}

impl Replica {
    pub(crate) fn new(redis: RedisBuilder) -> Self {
        let redis = redis.build().expect("valid settings");
        let bus = Arc::new(redis.bus());
        let manager = StatelessSessionManager::builder("replica", "0.0.0")
            .state_keys(StateKeys::new([7; 32]))
            .answer_bus(Arc::clone(&bus) as _)
            .answer_guard(redis.answer_guard())
            .build()
            .expect("valid settings");
        let registry = Live::new(catalog(), Changes::over(bus, "things"));
        Self { redis, manager, registry }
    }

    /// Returns a client of 2026-07-28 that is called Ada.
    pub(crate) fn client(&self) -> TestClient<Live<Catalog>> {
        TestClient::with_manager(self.manager.clone(), self.registry.clone())
            .capabilities(json!({"elicitation": {}}))
            .accept(json!({"name": "Ada"}))
    }

    /// Waits until the replica has noticed that Redis is back.
    pub(crate) async fn is_back(&self) {
        wait::until("Redis is back", async || self.redis.check().await.is_ok()).await;
    }

    /// Sends a message of the legacy era.
    pub(crate) async fn send(&self, message: &Value) -> Reply {
        self.post(message, &[("mcp-protocol-version", "2025-11-25")]).await
    }

    /// Calls the tool that asks for a name, in 2026-07-28: for the first time, or with the state of the
    /// previous round and the name Ada.
    pub(crate) async fn greet(&self, state: Option<&Value>) -> Reply {
        let mut params = json!({"name": "greet", "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        }});
        if let Some(state) = state {
            params["requestState"] = state.clone();
            params["inputResponses"] = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "greet")];
        self.post(&message, &headers).await
    }

    /// Begins a call that asks, in 2026-07-28, and returns its state.
    pub(crate) async fn state(&self) -> Value {
        let mut required = self.greet(None).await.next().await.expect("a result");
        assert_eq!(required["result"]["resultType"], "input_required", "{required}");
        required["result"]["requestState"].take()
    }

    async fn post(&self, message: &Value, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::post("http://localhost/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(message.to_string()))).expect("a request");
        let (head, body) = self.manager.handle(request, &self.registry).await.into_parts();
        Reply {
            status: head.status,
            headers: head.headers,
            body,
            text: String::new(),
            messages: VecDeque::new(),
        }
    }

    /// Calls the tool that asks for a name, in the legacy era. Returns the stream of the call and the
    /// id of the question.
    pub(crate) async fn ask(&self) -> (Reply, String) {
        let mut reply = self.send(&greeting()).await;
        let question = reply.next().await.expect("a question");
        assert_eq!(question["method"], "elicitation/create", "{question}");
        (reply, question["id"].as_str().expect("a text").to_owned())
    }
}

/// A call of the tool that asks for a name.
pub(crate) fn greeting() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "greet"}})
}

/// The answer of Ada to a question.
pub(crate) fn ada(id: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"name": "Ada"}}})
}

/// A response, of one message or several.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Body,
    text: String,
    messages: VecDeque<Value>,
}

impl Reply {
    /// Waits for the next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        while self.messages.is_empty() {
            let frame = timeout(HANG, self.body.frame()).await.expect("a frame in time");
            let Some(frame) = frame else {
                // A single message, not an event stream.
                let text = std::mem::take(&mut self.text);
                return serde_json::from_str(&text).ok();
            };
            let data = frame.expect("a frame").into_data().expect("data");
            self.text += std::str::from_utf8(&data).expect("UTF-8");
            while let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                let event = std::mem::replace(&mut self.text, rest);
                if let Some(message) = event.strip_prefix("data: ") {
                    self.messages.push_back(serde_json::from_str(message).expect("JSON"));
                }
            }
        }
        self.messages.pop_front()
    }

    /// Returns the status and the code of an error reply.
    pub(crate) async fn error(&mut self) -> (u16, i64) {
        let message = self.next().await.expect("a message");
        (self.status.as_u16(), message["error"]["code"].as_i64().unwrap_or_default())
    }

    /// Requires that the call ends with a greeting.
    pub(crate) async fn greets_ada(&mut self) {
        let message = self.next().await.expect("a result");
        assert_eq!(message["result"]["content"][0]["text"], "Hello, Ada", "{message}");
    }
}

/// Runs a command on a server, as its administrator.
pub(crate) async fn command<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}
