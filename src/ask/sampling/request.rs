//! Requests to a model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::SamplingMessage;

/// A request to the client's model (2026-07-28, Schema, `CreateMessageRequestParams`).
///
/// ```
/// use mcp_stateless::ask::SamplingRequest;
///
/// let request = SamplingRequest::new("What is the capital of France?", 100);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SamplingRequest {
    /// The conversation so far.
    pub messages: Vec<SamplingMessage>,
    /// The maximum number of tokens to generate.
    pub max_tokens: u32,
    /// The system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Texts that end the generation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    /// The context of servers that the client adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_context: Option<IncludeContext>,
    /// The model that suits best: the JSON of a `ModelPreferences`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_preferences: Option<Value>,
    /// The tools that the model may use: the JSON of a list of `Tool`. Requires the client's
    /// capability `sampling.tools`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Value>,
    /// How the model chooses among the tools: the JSON of a `ToolChoice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Parameters for the provider of the model.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl SamplingRequest {
    /// Creates a request with a message from the user, and the maximum number of tokens to generate.
    pub fn new(prompt: impl Into<String>, max_tokens: u32) -> Self {
        Self {
            messages: vec![SamplingMessage::user(prompt)],
            max_tokens,
            system_prompt: None,
            temperature: None,
            stop_sequences: Vec::new(),
            include_context: None,
            model_preferences: None,
            tools: None,
            tool_choice: None,
            metadata: Map::new(),
        }
    }

    /// Adds a message to the conversation.
    #[must_use]
    pub fn message(mut self, message: SamplingMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// Sets the system prompt.
    #[must_use]
    pub fn system_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// Sets the sampling temperature.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Adds a text that ends the generation.
    #[must_use]
    pub fn stop_sequence(mut self, text: impl Into<String>) -> Self {
        self.stop_sequences.push(text.into());
        self
    }

    /// Sets the context of servers that the client adds; by default none. Set it only if the client
    /// declares [`ClientCapability::SamplingContext`].
    ///
    /// [`ClientCapability::SamplingContext`]: crate::protocol::ClientCapability::SamplingContext
    #[must_use]
    pub fn include_context(mut self, context: IncludeContext) -> Self {
        self.include_context = Some(context);
        self
    }

    /// Sets which model suits best, by the JSON of a `ModelPreferences`.
    #[must_use]
    pub fn model_preferences(mut self, preferences: impl Into<Value>) -> Self {
        self.model_preferences = Some(preferences.into());
        self
    }

    /// Sets the tools that the model may use, by the JSON of a list of `Tool`. Requires the
    /// client's capability `sampling.tools`.
    #[must_use]
    pub fn tools(mut self, tools: impl Into<Value>) -> Self {
        self.tools = Some(tools.into());
        self
    }

    /// Sets how the model chooses among the tools, by the JSON of a `ToolChoice`.
    #[must_use]
    pub fn tool_choice(mut self, choice: impl Into<Value>) -> Self {
        self.tool_choice = Some(choice.into());
        self
    }

    /// Adds a parameter for the provider of the model.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    pub(in crate::ask) fn uses_tools(&self) -> bool {
        self.tools.is_some() || self.tool_choice.is_some()
    }
}

/// The context of servers that a client adds to a conversation (2026-07-28, Schema,
/// `CreateMessageRequestParams`, deprecated there).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum IncludeContext {
    /// None.
    None,
    /// The context of the server that asks.
    ThisServer,
    /// The context of all servers that the client uses.
    AllServers,
}
