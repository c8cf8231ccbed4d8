//! Questions from the server to a test client.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A question from the server: elicitation, sampling or roots.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestQuestion {
    /// The method: `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// The parameters, as received.
    pub params: Value,
    /// The key of the question; only in 2026-07-28.
    pub key: Option<String>,
}

impl TestQuestion {
    /// Returns the message of an elicitation; empty for other questions.
    pub fn message(&self) -> &str {
        self.params["message"].as_str().unwrap_or_default()
    }

    /// Deserialises the parameters.
    ///
    /// # Panics
    /// If they do not deserialise as `T`.
    #[track_caller]
    pub fn read<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_value(self.params.clone()) {
            Ok(params) => params,
            Err(error) => panic!("the question does not fit: {error}: {}", self.params),
        }
    }
}

/// How a test client answers.
#[derive(Clone)]
pub(super) struct Answers(Arc<dyn Fn(&TestQuestion) -> Value + Send + Sync>);

impl Answers {
    pub(super) fn new(answer: impl Fn(&TestQuestion) -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }

    pub(super) fn accept(content: Value) -> Self {
        Self::new(move |_| json!({"action": "accept", "content": content}))
    }

    pub(super) fn answer(&self, question: &TestQuestion) -> Value {
        (self.0)(question)
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::new(|question| {
            panic!("the server asks, and the test has no answer: see `TestClient::answer`: {question:?}")
        })
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answers")
    }
}
