//! Questions to the client's model.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::protocol::Role;

/// Something for the client's model to do (2026-07-28, Schema,
/// `CreateMessageRequestParams`).
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
    /// The most tokens that the answer may have.
    pub max_tokens: u32,
    /// What the model should know beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// How adventurous the model should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// What ends the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    /// Which model would be best: the JSON of a `ModelPreferences`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_preferences: Option<Value>,
    /// Tools that the model may use: the JSON of a list of `Tool`. Needs the client's
    /// capability `sampling.tools`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Value>,
    /// How the model chooses among them: the JSON of a `ToolChoice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// What the provider of the model understands.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl SamplingRequest {
    /// A question of the user's, and the most tokens that the answer may have.
    pub fn new(prompt: impl Into<String>, max_tokens: u32) -> Self {
        Self {
            messages: vec![SamplingMessage::user(prompt)],
            max_tokens,
            system_prompt: None,
            temperature: None,
            stop_sequences: Vec::new(),
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

    /// Sets what the model should know beforehand.
    #[must_use]
    pub fn system_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// Sets how adventurous the model should be.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Adds a text that ends the answer.
    #[must_use]
    pub fn stop_sequence(mut self, text: impl Into<String>) -> Self {
        self.stop_sequences.push(text.into());
        self
    }

    /// Says which model would be best, by the JSON of a `ModelPreferences`.
    #[must_use]
    pub fn model_preferences(mut self, preferences: impl Into<Value>) -> Self {
        self.model_preferences = Some(preferences.into());
        self
    }

    /// Sets the tools that the model may use, by the JSON of a list of `Tool`. They need the
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

    /// Adds something that the provider of the model understands.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    pub(super) fn uses_tools(&self) -> bool {
        self.tools.is_some() || self.tool_choice.is_some()
    }
}

/// A message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct SamplingMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    #[serde(serialize_with = "one_or_many", deserialize_with = "many_of_one")]
    pub content: Vec<SamplingContent>,
    /// What else there is to say of it.
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
}

impl SamplingMessage {
    /// Creates a message of several parts, or of something else than text.
    pub fn new(role: Role, content: impl IntoIterator<Item = SamplingContent>) -> Self {
        Self { role, content: content.into_iter().collect(), meta: None }
    }

    /// Something that the user says.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, [SamplingContent::text(text)])
    }

    /// Something that the model says.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, [SamplingContent::text(text)])
    }
}

/// A part of a message (2026-07-28, Schema, `SamplingMessageContentBlock`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum SamplingContent {
    /// A text.
    #[non_exhaustive]
    Text {
        /// The text.
        text: String,
        /// What else there is to say of it.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Map<String, Value>>,
    },
    /// An image.
    #[non_exhaustive]
    Image {
        /// The image's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: String,
        /// What else there is to say of it.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Map<String, Value>>,
    },
    /// A sound.
    #[non_exhaustive]
    Audio {
        /// The sound's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: String,
        /// What else there is to say of it.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Map<String, Value>>,
    },
    /// The model wants a tool to be used.
    #[non_exhaustive]
    ToolUse {
        /// What the result refers to.
        id: String,
        /// The name of the tool.
        name: String,
        /// The arguments.
        input: Map<String, Value>,
        /// What else there is to say of it.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Map<String, Value>>,
    },
    /// The result of a tool.
    #[non_exhaustive]
    ToolResult {
        /// The id of the use.
        tool_use_id: String,
        /// The JSON of the content blocks.
        content: Value,
        /// What the tool answered as JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        structured_content: Option<Value>,
        /// Whether the tool failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        /// What else there is to say of it.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Map<String, Value>>,
    },
}

impl SamplingContent {
    /// Creates a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), meta: None }
    }

    /// Creates an image; `bytes` is the image itself, encoded here.
    pub fn image(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::Image { data: STANDARD.encode(bytes), mime_type: mime_type.into(), meta: None }
    }

    /// Creates a sound; `bytes` is the sound itself, encoded here.
    pub fn audio(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::Audio { data: STANDARD.encode(bytes), mime_type: mime_type.into(), meta: None }
    }

    /// Creates the use of a tool, which the model wanted; its result refers to `id`.
    pub fn tool_use(id: impl Into<String>, name: impl Into<String>, input: Map<String, Value>) -> Self {
        Self::ToolUse { id: id.into(), name: name.into(), input, meta: None }
    }

    /// Creates the result of a tool, for the use of this id: the JSON of its content blocks.
    pub fn tool_result(tool_use_id: impl Into<String>, content: impl Into<Value>) -> Self {
        let (tool_use_id, content) = (tool_use_id.into(), content.into());
        Self::ToolResult { tool_use_id, content, structured_content: None, is_error: None, meta: None }
    }
}

/// What the client's model answered (2026-07-28, Schema, `CreateMessageResult`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SamplingResult {
    /// Who says it.
    pub role: Role,
    /// What is said.
    #[serde(serialize_with = "one_or_many", deserialize_with = "many_of_one")]
    pub content: Vec<SamplingContent>,
    /// The model that was asked.
    pub model: String,
    /// Why the answer ends: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
}

impl SamplingResult {
    /// The texts of the answer.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|content| match content {
            SamplingContent::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// Earlier revisions know a single part alone.
fn one_or_many<S: Serializer>(content: &[SamplingContent], serializer: S) -> Result<S::Ok, S::Error> {
    match content {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

fn many_of_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SamplingContent>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(SamplingContent),
        Many(Vec<SamplingContent>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SamplingContent, SamplingRequest, SamplingResult};

    #[test]
    fn one_part_goes_alone_and_comes_alone_or_in_a_list() {
        let request = json!(SamplingRequest::new("Hi", 5));
        let expected = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}], "maxTokens": 5});
        assert_eq!(request, expected);
        for content in [json!({"type": "text", "text": "a"}), json!([{"type": "text", "text": "a"}])] {
            let result: SamplingResult =
                serde_json::from_value(json!({"role": "assistant", "content": content, "model": "m"}))
                    .expect("a result");
            assert_eq!(result.text(), "a");
        }
    }

    #[test]
    fn the_use_of_a_tool_is_read_as_the_specification_writes_it() {
        let part = json!({"type": "tool_use", "id": "1", "name": "add", "input": {"a": 1}});
        let read: SamplingContent = serde_json::from_value(part.clone()).expect("a part");
        assert_eq!(json!(read), part);
        let part = json!({"type": "tool_result", "toolUseId": "1", "content": []});
        let read: SamplingContent = serde_json::from_value(part.clone()).expect("a part");
        assert_eq!(json!(read), part);
    }
}
