//! Questions to the client's model.

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

    pub(super) fn uses_tools(&self) -> bool {
        self.tools.is_some() || self.tool_choice.is_some()
    }
}

/// A message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct SamplingMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    #[serde(serialize_with = "one_or_many", deserialize_with = "many_of_one")]
    pub content: Vec<SamplingContent>,
}

impl SamplingMessage {
    /// Something that the user says.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![SamplingContent::Text { text: text.into() }] }
    }

    /// Something that the model says.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: vec![SamplingContent::Text { text: text.into() }] }
    }
}

/// A part of a message (2026-07-28, Schema, `SamplingMessageContentBlock`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum SamplingContent {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    Image {
        /// The image's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: String,
    },
    /// A sound.
    Audio {
        /// The sound's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: String,
    },
    /// The model wants a tool to be used.
    ToolUse {
        /// What the result refers to.
        id: String,
        /// The name of the tool.
        name: String,
        /// The arguments.
        input: Map<String, Value>,
    },
    /// The result of a tool.
    ToolResult {
        /// The id of the use.
        tool_use_id: String,
        /// The JSON of the content blocks.
        content: Value,
        /// Whether the tool failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
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
            SamplingContent::Text { text } => Some(text.as_str()),
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
