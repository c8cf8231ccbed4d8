//! An in-memory client.

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::question::{Answers, TestQuestion};
use super::reply::TestReply;
use super::request::Caller;
use super::wire::Wire;
use crate::jsonrpc::ErrorCode;
use crate::manager::StatelessSessionManager;
use crate::principal::Principal;
use crate::protocol::{Era, LogLevel, Revision};
use crate::registry::Registry;
use crate::tool::MirroredParams;

/// The maximum number of questions of the server in one call.
const MOST_ROUNDS: usize = 64;
/// The maximum number of pages of a list.
const MOST_PAGES: usize = 10_000;

/// An in-memory client of one registry; see the [module](super).
///
/// By default it speaks 2026-07-28, declares every capability except tasks, and asks for progress and
/// all log messages.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestClient<R> {
    manager: StatelessSessionManager,
    registry: R,
    pub(super) caller: Caller,
    pub(super) answers: Answers,
}

impl<R: Registry> TestClient<R> {
    /// Creates a client of a registry, behind a manager with default settings.
    ///
    /// # Panics
    /// Never: the default settings are valid.
    pub fn new(registry: R) -> Self {
        let manager = StatelessSessionManager::builder("test", "0.0.0").build();
        Self::with_manager(manager.expect("the default settings are valid"), registry)
    }

    /// Creates a client of a registry behind the given manager.
    pub fn with_manager(manager: StatelessSessionManager, registry: R) -> Self {
        Self { manager, registry, caller: Caller::new(Revision::V2026_07_28), answers: Answers::default() }
    }

    /// Speaks the given revision.
    pub fn revision(mut self, revision: Revision) -> Self {
        self.caller.revision = revision;
        self
    }

    /// Speaks the newest revision with a handshake, 2025-11-25.
    pub fn legacy(self) -> Self {
        self.revision(Revision::V2025_11_25)
    }

    /// Sends a header with every request, and replaces one with the same name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.caller.headers.insert(name, value);
        self
    }

    /// Adds an extension to every request, as middleware would.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.caller.extensions.insert(extension);
        self
    }

    /// Calls as this [`Principal`].
    pub fn principal(self, name: &str) -> Self {
        self.extension(Principal::new(name))
    }

    /// Calls with this access token, as if a [`ResourceServer`](crate::auth::ResourceServer) had
    /// verified it (feature `auth`).
    #[cfg(feature = "auth")]
    pub fn token(self, token: crate::auth::VerifiedToken) -> Self {
        let principal = token.principal().clone();
        self.extension(principal).extension(crate::auth::Access::new(token))
    }

    /// Declares these capabilities, the JSON of `ClientCapabilities`, instead of all. Only clients
    /// of 2026-07-28 send them with each request.
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.caller.capabilities = capabilities;
        self
    }

    /// Asks for log messages from this level on, or for none. In revisions before 2026-07-28,
    /// clients receive all.
    pub fn log_level(mut self, level: Option<LogLevel>) -> Self {
        self.caller.log_level = level;
        self
    }

    /// Answers the server's questions with the result of `answer`, in JSON, such as an
    /// `ElicitResult`. Without it or [`accept`](Self::accept), a question panics.
    pub fn answer(mut self, answer: impl Fn(&TestQuestion) -> Value + Send + Sync + 'static) -> Self {
        self.answers = Answers::new(answer);
        self
    }

    /// Accepts every elicitation with this content.
    pub fn accept(mut self, content: Value) -> Self {
        self.answers = Answers::accept(content);
        self
    }

    /// Calls a tool. If the tool requires arguments to be repeated in headers, the client looks it
    /// up in the list after the first refusal, and calls again with the headers.
    pub async fn call(&self, tool: &str, arguments: Value) -> TestReply {
        let params = json!({"name": tool, "arguments": arguments});
        let reply = self.request("tools/call", params.clone()).await;
        if reply.message["error"]["code"] != ErrorCode::HEADER_MISMATCH.0 {
            return reply;
        }
        let mut caller = self.caller.clone();
        for (name, value) in self.mirrored(tool, &params["arguments"]).await {
            // Headers that the test has set are kept.
            caller.headers.entry(name).or_insert(value);
        }
        self.request_as(&caller, "tools/call", params).await
    }

    /// Returns the headers that repeat the arguments of a tool.
    async fn mirrored(&self, tool: &str, arguments: &Value) -> Vec<(HeaderName, HeaderValue)> {
        let listed = self.list_tools().await;
        let definition = listed.iter().find(|definition| definition["name"] == tool);
        let params = definition.and_then(|it| MirroredParams::from_schema(tool, &it["inputSchema"]).ok());
        params.map_or_else(Vec::new, |params| params.headers(&arguments.to_string()))
    }

    /// Requests the server's identity and capabilities, with `server/discover` or `initialize`
    /// depending on the client's revision, and returns the result.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn about(&self) -> Value {
        let reply = match self.era() {
            Era::Modern => self.request("server/discover", json!({})).await,
            Era::Legacy => {
                let client = json!({"name": "test", "version": "0.0.0"});
                let capabilities = self.caller.capabilities.clone();
                let params = json!({
                    "protocolVersion": self.caller.revision.as_str(),
                    "capabilities": capabilities,
                    "clientInfo": client,
                });
                self.request("initialize", params).await
            }
        };
        reply.result().clone()
    }

    /// Gets a prompt.
    pub async fn get_prompt(&self, prompt: &str, arguments: Value) -> TestReply {
        self.request("prompts/get", json!({"name": prompt, "arguments": arguments})).await
    }

    /// Reads a resource.
    pub async fn read(&self, uri: &str) -> TestReply {
        self.request("resources/read", json!({"uri": uri})).await
    }

    /// Completes an argument of a prompt (`{"type": "ref/prompt", "name": …}`) or of a template
    /// (`{"type": "ref/resource", "uri": …}`), and returns the values.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn complete(&self, reference: Value, argument: &str, typed: &str) -> Vec<String> {
        self.complete_beside(reference, argument, typed, json!({})).await
    }

    /// Completes like [`complete`](Self::complete), and sends the other known arguments: a JSON
    /// object of strings.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn complete_beside(
        &self,
        reference: Value,
        argument: &str,
        typed: &str,
        others: Value,
    ) -> Vec<String> {
        let argument = json!({"name": argument, "value": typed});
        let params = json!({"ref": reference, "argument": argument, "context": {"arguments": others}});
        let reply = self.request("completion/complete", params).await;
        let values = reply.result()["completion"]["values"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// Lists the tools of all pages.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn list_tools(&self) -> Vec<Value> {
        self.list("tools/list", "tools").await
    }

    /// Lists the prompts of all pages.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn list_prompts(&self) -> Vec<Value> {
        self.list("prompts/list", "prompts").await
    }

    /// Lists the resources of all pages.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn list_resources(&self) -> Vec<Value> {
        self.list("resources/list", "resources").await
    }

    /// Lists the resource templates of all pages.
    ///
    /// # Panics
    /// If the server answers with an error.
    pub async fn list_resource_templates(&self) -> Vec<Value> {
        self.list("resources/templates/list", "resourceTemplates").await
    }

    async fn list(&self, method: &str, member: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut params = json!({});
        for _ in 0..MOST_PAGES {
            let reply = self.request(method, params).await;
            let result = reply.result();
            all.extend(result[member].as_array().cloned().unwrap_or_default());
            match result.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return all,
            }
        }
        panic!("{method} has more than {MOST_PAGES} pages");
    }

    /// Listens to changes (2026-07-28). `wanted` is the `notifications` of `subscriptions/listen`,
    /// such as `{"toolsListChanged": true}`.
    ///
    /// # Panics
    /// If the server refuses; the message says why.
    pub async fn listen(&self, wanted: Value) -> TestListener {
        let Value::Object(params) = json!({"notifications": wanted}) else { unreachable!("it is an object") };
        let mut wire = self.send(&self.caller, "subscriptions/listen", params).await;
        let first = wire.next().await.unwrap_or_default();
        assert_eq!(
            first["method"], "notifications/subscriptions/acknowledged",
            "the server refuses: {first}"
        );
        TestListener { acknowledged: first["params"]["notifications"].clone(), wire }
    }

    /// Sends any request, and answers the server's questions until the result arrives.
    ///
    /// # Panics
    /// If the server asks and there is no [`answer`](Self::answer), or asks too often.
    pub async fn request(&self, method: &str, params: Value) -> TestReply {
        self.request_as(&self.caller, method, params).await
    }

    async fn request_as(&self, caller: &Caller, method: &str, params: Value) -> TestReply {
        let Value::Object(params) = params else { panic!("parameters must be an object: {params}") };
        let mut wire = self.send(caller, method, params.clone()).await;
        let mut reply = TestReply {
            status: wire.status,
            message: Value::Null,
            progress: Vec::new(),
            logs: Vec::new(),
            questions: 0,
        };
        for _ in 0..MOST_ROUNDS {
            self.read_to_end(&mut wire, &mut reply).await;
            let required = &reply.message["result"];
            if required["resultType"] != "input_required" {
                return reply;
            }
            let mut again = params.clone();
            again.extend(self.round(required, &mut reply.questions));
            wire = self.send(caller, method, again).await;
            reply.status = wire.status;
        }
        panic!("the server asks more than {MOST_ROUNDS} times: {}", reply.message);
    }

    /// Reads the messages of one response, and answers the questions in it.
    async fn read_to_end(&self, wire: &mut Wire, reply: &mut TestReply) {
        while let Some(mut message) = wire.next().await {
            match (message["method"].as_str(), message.get("id").cloned()) {
                (Some("notifications/progress"), None) => {
                    let progress = serde_json::from_value(message["params"].take());
                    reply.progress.push(progress.unwrap_or_else(|error| panic!("progress: {error}")));
                }
                (Some("notifications/message"), None) => reply.logs.push(message["params"].take()),
                (Some(_), None) => {}
                (Some(method), Some(id)) => {
                    let method = method.to_owned();
                    let question = TestQuestion { method, params: message["params"].take(), key: None };
                    reply.questions += 1;
                    let answer =
                        json!({"jsonrpc": "2.0", "id": id, "result": self.answers.answer(&question)});
                    self.post(answer.to_string()).await;
                }
                (None, _) => reply.message = message,
            }
        }
    }

    /// Returns the parameters of the next round of a call that asks.
    fn round(&self, required: &Value, questions: &mut usize) -> Map<String, Value> {
        let mut answers = Map::new();
        for (key, question) in required["inputRequests"].as_object().into_iter().flatten() {
            let method = question["method"].as_str().unwrap_or_default().to_owned();
            let question =
                TestQuestion { method, params: question["params"].clone(), key: Some(key.clone()) };
            *questions += 1;
            answers.insert(key.clone(), self.answers.answer(&question));
        }
        let mut params = Map::from_iter([("inputResponses".to_owned(), answers.into())]);
        if let Some(state) = required.get("requestState") {
            params.insert("requestState".to_owned(), state.clone());
        }
        params
    }

    async fn send(&self, caller: &Caller, method: &str, params: Map<String, Value>) -> Wire {
        Wire::new(self.manager.handle(caller.request(method, params), &self.registry).await)
    }

    async fn post(&self, message: String) {
        let response = self.manager.handle(self.caller.post(message), &self.registry).await;
        assert!(response.status().is_success(), "the answer to a question is refused: {}", response.status());
    }

    /// Returns the era that the client speaks.
    pub fn era(&self) -> Era {
        self.caller.revision.era()
    }
}

/// A stream of changes; see [`TestClient::listen`].
pub struct TestListener {
    acknowledged: Value,
    wire: Wire,
}

impl std::fmt::Debug for TestListener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TestListener")
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}

impl TestListener {
    /// Returns the subscriptions that the server agreed to.
    pub fn acknowledged(&self) -> &Value {
        &self.acknowledged
    }

    /// Waits for the next notification, and returns the whole message; `None` when the server has
    /// ended the stream.
    pub async fn next(&mut self) -> Option<Value> {
        self.wire.next().await.filter(|message| message.get("method").is_some())
    }
}
