//! Questions to the client's model.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::protocol::{Annotations, Role, add_meta, meta_setter};

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
    /// The most tokens to generate.
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
    /// Creates a request with a message from the user, and the most tokens to generate.
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

    pub(super) fn uses_tools(&self) -> bool {
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

/// A message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct SamplingMessage {
    /// The role that the message is from.
    pub role: Role,
    /// The parts of the message.
    #[serde(serialize_with = "one_or_many", deserialize_with = "many_of_one")]
    pub content: Vec<SamplingContent>,
    /// Members of `_meta`.
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Box<Map<String, Value>>>,
}

impl SamplingMessage {
    meta_setter!(
        #[must_use]
        meta
    );

    /// Creates a message with several parts, or with a part that is not text.
    pub fn new(role: Role, content: impl IntoIterator<Item = SamplingContent>) -> Self {
        Self { role, content: content.into_iter().collect(), meta: None }
    }

    /// Creates a message from the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, [SamplingContent::text(text)])
    }

    /// Creates a message from the model.
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
        /// Whom it is for, and how much it matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Box<Annotations>>,
        /// Members of `_meta`.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Box<Map<String, Value>>>,
    },
    /// An image.
    #[non_exhaustive]
    Image {
        /// The image's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: String,
        /// Whom it is for, and how much it matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Box<Annotations>>,
        /// Members of `_meta`.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Box<Map<String, Value>>>,
    },
    /// Audio.
    #[non_exhaustive]
    Audio {
        /// The bytes of the audio in base64.
        data: String,
        /// Its MIME type.
        mime_type: String,
        /// Whom it is for, and how much it matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Box<Annotations>>,
        /// Members of `_meta`.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Box<Map<String, Value>>>,
    },
    /// A call of a tool that the model asks for.
    #[non_exhaustive]
    ToolUse {
        /// The id that the result refers to.
        id: String,
        /// The name of the tool.
        name: String,
        /// The arguments.
        input: Map<String, Value>,
        /// Members of `_meta`.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Box<Map<String, Value>>>,
    },
    /// The result of a tool.
    #[non_exhaustive]
    ToolResult {
        /// The id of the call.
        tool_use_id: String,
        /// The JSON of the content blocks.
        content: Value,
        /// The structured content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        structured_content: Option<Value>,
        /// Whether the tool failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        /// Members of `_meta`.
        #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
        meta: Option<Box<Map<String, Value>>>,
    },
}

impl SamplingContent {
    /// Creates a text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), annotations: None, meta: None }
    }

    /// Creates an image from its bytes, and encodes them.
    pub fn image(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::Image {
            data: STANDARD.encode(bytes),
            mime_type: mime_type.into(),
            annotations: None,
            meta: None,
        }
    }

    /// Creates audio from its bytes, and encodes them.
    pub fn audio(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::Audio {
            data: STANDARD.encode(bytes),
            mime_type: mime_type.into(),
            annotations: None,
            meta: None,
        }
    }

    /// Creates a call of a tool that the model asked for. The result refers to its `id`.
    pub fn tool_use(id: impl Into<String>, name: impl Into<String>, input: Map<String, Value>) -> Self {
        Self::ToolUse { id: id.into(), name: name.into(), input, meta: None }
    }

    /// Creates the result of the tool call with this id, from the JSON of its content blocks.
    pub fn tool_result(tool_use_id: impl Into<String>, content: impl Into<Value>) -> Self {
        let (tool_use_id, content) = (tool_use_id.into(), content.into());
        Self::ToolResult { tool_use_id, content, structured_content: None, is_error: None, meta: None }
    }

    /// Sets the annotations of a text, an image or audio. Calls and results of tools have none, and
    /// stay unchanged.
    #[must_use]
    pub fn annotate(mut self, new: Annotations) -> Self {
        match &mut self {
            Self::Text { annotations, .. }
            | Self::Image { annotations, .. }
            | Self::Audio { annotations, .. } => *annotations = Some(Box::new(new)),
            Self::ToolUse { .. } | Self::ToolResult { .. } => {}
        }
        self
    }

    /// Sets the structured content of the result of a tool. Other parts stay unchanged.
    #[must_use]
    pub fn structured(mut self, value: impl Into<Value>) -> Self {
        if let Self::ToolResult { structured_content, .. } = &mut self {
            *structured_content = Some(value.into());
        }
        self
    }

    /// Marks the result of a tool as failed. Other parts stay unchanged.
    #[must_use]
    pub fn failed(mut self) -> Self {
        if let Self::ToolResult { is_error, .. } = &mut self {
            *is_error = Some(true);
        }
        self
    }

    /// Adds a member to the part's `_meta` (2026-07-28, Base Protocol, "`_meta`"), and replaces one
    /// with the same name.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let meta = match &mut self {
            Self::Text { meta, .. }
            | Self::Image { meta, .. }
            | Self::Audio { meta, .. }
            | Self::ToolUse { meta, .. }
            | Self::ToolResult { meta, .. } => meta,
        };
        add_meta(meta, key, value);
        self
    }
}

/// The answer of the client's model (2026-07-28, Schema, `CreateMessageResult`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SamplingResult {
    /// The role that the answer is from.
    pub role: Role,
    /// The parts of the answer.
    #[serde(serialize_with = "one_or_many", deserialize_with = "many_of_one")]
    pub content: Vec<SamplingContent>,
    /// The model that answered.
    pub model: String,
    /// Why the generation ended: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// Members of `_meta`.
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Box<Map<String, Value>>>,
}

impl SamplingResult {
    /// Returns the texts of the answer, joined.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|content| match content {
            SamplingContent::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// Earlier revisions allow only a single part.
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

    use super::{
        Annotations, IncludeContext, Map, Role, SamplingContent, SamplingMessage, SamplingRequest,
        SamplingResult,
    };

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

    #[test]
    fn every_optional_member_can_be_set() {
        let annotations = || Annotations::new().audience(Role::User).priority(0.5);
        let parts = [
            SamplingContent::text("a").annotate(annotations()).with_meta("x/y", 1),
            SamplingContent::image(b"i", "image/png").annotate(annotations()),
            SamplingContent::audio(b"a", "audio/wav").annotate(annotations()),
            SamplingContent::tool_use("1", "add", Map::new()).annotate(annotations()).structured(1).failed(),
            SamplingContent::tool_result("1", json!([]))
                .structured(json!({"sum": 3}))
                .failed()
                .with_meta("x/y", 2),
        ];
        let message = SamplingMessage::new(Role::User, parts).with_meta("x/y", 3);
        let request =
            SamplingRequest::new("Hi", 5).include_context(IncludeContext::ThisServer).message(message);
        let shown = json!({"audience": ["user"], "priority": 0.5});
        let parts = json!([
            {"type": "text", "text": "a", "annotations": shown, "_meta": {"x/y": 1}},
            {"type": "image", "data": "aQ==", "mimeType": "image/png", "annotations": shown},
            {"type": "audio", "data": "YQ==", "mimeType": "audio/wav", "annotations": shown},
            {"type": "tool_use", "id": "1", "name": "add", "input": {}},
            {
                "type": "tool_result", "toolUseId": "1", "content": [], "structuredContent": {"sum": 3},
                "isError": true, "_meta": {"x/y": 2},
            },
        ]);
        assert_eq!(
            json!(request)["messages"][1],
            json!({"role": "user", "content": parts, "_meta": {"x/y": 3}})
        );
        assert_eq!(json!(request)["includeContext"], "thisServer");
        let result = json!({"role": "assistant", "content": parts, "model": "m", "_meta": {"x/y": 4}});
        let read: SamplingResult = serde_json::from_value(result.clone()).expect("a result");
        assert_eq!(json!(read), result);
    }
}
