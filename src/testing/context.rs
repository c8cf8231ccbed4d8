//! A context for unit tests of handlers.

#[cfg(feature = "ask")]
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use http::{HeaderName, HeaderValue};
#[cfg(feature = "ask")]
use serde_json::json;
use serde_json::{Map, Value};

use super::reply::Progress;
use super::request::Caller;
use crate::call::{CallContext, Exchange, LogFrom, Outbox};
#[cfg(feature = "ask")]
use crate::manager::StatelessSessionManager;
use crate::principal::Principal;
use crate::protocol::{LogLevel, Revision};

/// Creates a [`TestContext`], for the unit test of a handler that is called as a function.
///
/// ```
/// use mcp_stateless::{CallContext, testing};
///
/// async fn import(path: &str, cx: CallContext) -> String {
///     cx.progress(1.0, Some(1.0), "reading").await;
///     format!("{path} is imported")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let test = testing::context();
/// assert_eq!(import("rows.csv", test.cx()).await, "rows.csv is imported");
/// assert_eq!(test.progress()[0].message.as_deref(), Some("reading"));
/// # }
/// ```
pub fn context() -> TestContext {
    TestContext {
        caller: Caller::new(Revision::V2026_07_28),
        #[cfg(feature = "ask")]
        answers: BTreeMap::new(),
        #[cfg(feature = "ask")]
        state: None,
        exchange: OnceLock::new(),
    }
}

/// A [`CallContext`] without a call, which collects what is sent; created by [`context`].
///
/// Its client speaks 2026-07-28, declares every capability, and asks for progress and all log
/// messages. Set up the request before the first call of [`cx`](Self::cx).
#[must_use]
pub struct TestContext {
    caller: Caller,
    #[cfg(feature = "ask")]
    answers: BTreeMap<String, Value>,
    #[cfg(feature = "ask")]
    state: Option<Value>,
    exchange: OnceLock<Arc<Exchange>>,
}

impl fmt::Debug for TestContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestContext").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl TestContext {
    /// Adds an extension to the request, as middleware would.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.caller.extensions.insert(extension);
        self
    }

    /// Calls as this [`Principal`].
    pub fn principal(self, name: &str) -> Self {
        self.extension(Principal::new(name))
    }

    /// Sets a header of the request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.caller.headers.insert(name, value);
        self
    }

    /// Speaks the given revision.
    pub fn revision(mut self, revision: Revision) -> Self {
        self.caller.revision = revision;
        self
    }

    /// Declares these capabilities, the JSON of `ClientCapabilities`, instead of all.
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.caller.capabilities = capabilities;
        self
    }

    /// Adds the answer to the question with this key: the JSON of its result. A question without an
    /// answer fails with [`AskError::Ended`](crate::ask::AskError::Ended). Answers are those of
    /// 2026-07-28; to test earlier revisions, use a [`TestClient`](super::TestClient).
    #[cfg(feature = "ask")]
    pub fn answer(mut self, key: impl Into<String>, answer: Value) -> Self {
        self.answers.insert(key.into(), answer);
        self
    }

    /// Accepts the elicitation with this key, with this content.
    #[cfg(feature = "ask")]
    pub fn accept(self, key: impl Into<String>, content: impl Into<Value>) -> Self {
        self.answer(key, json!({"action": "accept", "content": content.into()}))
    }

    /// Adds the state that a handler returned before in an
    /// [`InputRequired`](crate::ask::InputRequired).
    #[cfg(feature = "ask")]
    pub fn state(mut self, state: impl Into<Value>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Returns the context. All contexts belong to the same request.
    pub fn cx(&self) -> CallContext {
        CallContext::new(Arc::clone(self.exchange.get_or_init(|| Arc::new(self.exchange()))))
    }

    /// Returns the progress reported so far, in order.
    ///
    /// # Panics
    /// Never: reports are always complete.
    pub fn progress(&self) -> Vec<Progress> {
        let params = self.sent("notifications/progress").into_iter();
        params.map(|params| serde_json::from_value(params).expect("a report is always whole")).collect()
    }

    /// Returns the parameters of the log messages sent so far, in order.
    pub fn logs(&self) -> Vec<Value> {
        self.sent("notifications/message")
    }

    fn sent(&self, method: &str) -> Vec<Value> {
        let Some(exchange) = self.exchange.get() else { return Vec::new() };
        let events = String::from_utf8(exchange.outbox.kept()).unwrap_or_default();
        let messages = events.lines().filter_map(|line| line.strip_prefix("data: "));
        let messages = messages.filter_map(|message| serde_json::from_str::<Value>(message).ok());
        messages.filter(|message| message["method"] == method).map(|mut it| it["params"].take()).collect()
    }

    fn exchange(&self) -> Exchange {
        let (head, _) = self.caller.post(String::new()).into_parts();
        let meta = Value::from(self.caller.meta(&Map::new())).to_string();
        let exchange = Exchange {
            head,
            revision: self.caller.revision,
            meta,
            progress: Some((r#""progress""#.into(), Mutex::new(f64::NEG_INFINITY))),
            log_from: LogFrom::Level(LogLevel::Debug),
            outbox: Outbox::keeping(),
            #[cfg(feature = "otel")]
            propagation: None,
            #[cfg(feature = "ask")]
            asks: self.asks(),
        };
        // A call becomes a task in a manager only.
        #[cfg(feature = "tasks")]
        exchange.asks.wish.settle(true);
        // Nothing else answers.
        #[cfg(feature = "ask")]
        exchange.asks.close();
        exchange
    }

    #[cfg(feature = "ask")]
    fn asks(&self) -> crate::ask::Asks {
        let manager = StatelessSessionManager::builder("test", "0.0.0").build();
        let settings = Arc::clone(manager.expect("the default settings are valid").settings());
        let answers = crate::ask::Answers::given(&self.answers, self.state.as_ref());
        let purpose = crate::ask::Purpose { method: "", target: "", arguments: "" };
        crate::ask::Asks::new(self.caller.revision.era(), purpose, answers, settings)
    }
}
