//! The messages of a conversation with a model, and its answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::protocol::{Annotations, Role, add_meta, meta_setter};

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
        /// Its audience and priority.
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
        /// Its audience and priority.
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
        /// Its audience and priority.
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

/// Serialises a single part without an array, because earlier revisions allow only one part.
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
