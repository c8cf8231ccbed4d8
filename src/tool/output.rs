//! The results of tools.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::call::output::sealed::Sealed;
use crate::call::raw_output::{InvalidOutput, Main, RawOutput};
use crate::call::{CallError, CallKind, IntoOutput, Output, ResultWriter, ToolError, WriteResult, from_json};
use crate::jsonrpc::RpcError;
use crate::protocol::{Content, Era, OwnMeta, meta_setter, write_content};

/// The result of a tool (2026-07-28, Schema, `CallToolResult`).
///
/// ```
/// use mcp_stateless::protocol::Content;
/// use mcp_stateless::ToolOutput;
///
/// let output = ToolOutput::text("Two pictures:")
///     .with(Content::image(b"...", "image/png"))
///     .with(Content::image(b"...", "image/png"));
/// ```
#[derive(Debug, Default)]
pub struct ToolOutput {
    pub(crate) content: Blocks,
    pub(crate) structured: Option<Box<RawValue>>,
    pub(crate) is_error: bool,
    pub(crate) meta: OwnMeta,
    /// Replaces all other fields.
    pub(crate) raw: Option<RawOutput>,
}

/// Content blocks, usually just one.
#[derive(Debug, Default)]
pub(crate) enum Blocks {
    #[default]
    None,
    One(Content),
    Many(Vec<Content>),
}

impl Blocks {
    pub(crate) fn as_slice(&self) -> &[Content] {
        match self {
            Self::None => &[],
            Self::One(block) => std::slice::from_ref(block),
            Self::Many(blocks) => blocks,
        }
    }

    fn push(&mut self, block: Content) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(block),
            Self::One(first) => Self::Many(vec![first, block]),
            Self::Many(mut blocks) => {
                blocks.push(block);
                Self::Many(blocks)
            }
        };
    }
}

impl ToolOutput {
    /// Creates a result from the JSON text of a `CallToolResult`, for example of another server.
    /// Its members reach the client unchanged, except those that depend on the client's revision:
    /// `resultType`, the server's name in `_meta`, and structured content that is not an object. Such
    /// a result can be marked as [`failed`](Self::failed), but content and other members that are
    /// added to it are ignored.
    ///
    /// # Errors
    /// Returns an error if the text is not a JSON object, is nested more than 128 levels deep, or if
    /// `content` is not an array.
    pub fn from_json(json: impl Into<String>) -> Result<Self, InvalidOutput> {
        let mut is_error = false;
        let raw = RawOutput::read(json.into(), Main::Array("content"), |key, value| {
            if key == "isError" {
                is_error = value.text() == "true";
            }
        })?;
        Ok(Self { raw: Some(raw), is_error, ..Self::default() })
    }

    /// Creates a result without content.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Creates a result with one text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self { content: Blocks::One(Content::text(text)), ..Self::default() }
    }

    /// Creates a result of a failed tool (`isError`), with a message for the model.
    pub fn error(message: impl Into<Cow<'static, str>>) -> Self {
        Self { is_error: true, ..Self::text(message) }
    }

    /// Adds a block of content.
    #[must_use]
    pub fn with(mut self, block: Content) -> Self {
        self.content.push(block);
        self
    }

    /// Marks the tool as failed (`isError`), for example if other content than a text describes the
    /// failure; see [`error`](Self::error).
    #[must_use]
    pub fn failed(mut self) -> Self {
        if let Some(raw) = &mut self.raw
            && !self.is_error
        {
            raw.set("isError", "true");
        }
        self.is_error = true;
        self
    }

    /// Sets the structured content, which must match the tool's output schema. It is not repeated
    /// as text; [`Json`] does both.
    ///
    /// # Errors
    /// Returns an error if the value does not serialise, such as a map whose keys are not strings.
    pub fn with_structured(mut self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.structured = Some(serde_json::value::to_raw_value(value)?);
        Ok(self)
    }

    meta_setter!(
        #[must_use]
        meta
    );

    /// Returns the content blocks. Empty for a result that was created [from
    /// JSON](Self::from_json).
    pub fn content(&self) -> &[Content] {
        self.content.as_slice()
    }

    /// Returns the texts of the content, separated by line feeds.
    pub fn content_text(&self) -> String {
        let texts: Vec<_> = self.content().iter().filter_map(Content::as_text).collect();
        texts.join("\n")
    }

    /// Deserialises the structured content; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if it does not deserialise as `T`.
    pub fn structured<T: DeserializeOwned>(&self) -> Option<Result<T, serde_json::Error>> {
        self.structured_json().map(serde_json::from_str)
    }

    /// Returns the JSON of the structured content.
    pub(super) fn structured_json(&self) -> Option<&str> {
        let Some(raw) = &self.raw else { return self.structured.as_deref().map(RawValue::get) };
        let mut structured = None;
        raw.members(|key, value| {
            if key.is_key("structuredContent") {
                structured = Some(value.text());
            }
        });
        structured
    }

    /// Returns whether the tool failed.
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// Returns a member of the result's `_meta`.
    pub fn meta(&self, key: &str) -> Option<&serde_json::Value> {
        self.meta.as_ref()?.get(key)
    }
}

impl Sealed for ToolOutput {}

impl Output for ToolOutput {
    const KIND: CallKind = CallKind::Tool;

    fn failed(message: Cow<'static, str>) -> Result<Self, RpcError> {
        Ok(Self::error(message))
    }

    fn misfit(message: String) -> Result<Self, RpcError> {
        Ok(Self::error(message))
    }

    fn is_error(&self) -> bool {
        self.is_error
    }

    fn read_arguments<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
        from_json(arguments)
    }
}

impl IntoOutput<ToolOutput> for () {
    fn into_output(self) -> Result<ToolOutput, CallError> {
        Ok(ToolOutput::empty())
    }
}

impl IntoOutput<ToolOutput> for Content {
    fn into_output(self) -> Result<ToolOutput, CallError> {
        Ok(ToolOutput { content: Blocks::One(self), ..ToolOutput::default() })
    }
}

impl IntoOutput<ToolOutput> for Vec<Content> {
    fn into_output(self) -> Result<ToolOutput, CallError> {
        Ok(ToolOutput { content: Blocks::Many(self), ..ToolOutput::default() })
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl IntoOutput<ToolOutput> for $text {
            fn into_output(self) -> Result<ToolOutput, CallError> {
                Ok(ToolOutput::text(self))
            }
        }
    )*};
}

macro_rules! displayed_as_text {
    ($($value:ty),*) => {$(
        impl IntoOutput<ToolOutput> for $value {
            fn into_output(self) -> Result<ToolOutput, CallError> {
                Ok(ToolOutput::text(self.to_string()))
            }
        }
    )*};
}

texts!(String, &'static str, Cow<'static, str>);
displayed_as_text!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);

/// Structured content: the value, and its JSON as a text for clients that read only texts
/// (2026-07-28, Server, "Structured Content").
///
/// Before 2026-07-28, structured content had to be an object. Clients of earlier revisions receive
/// any other value only as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoOutput<ToolOutput> for Json<T> {
    fn into_output(self) -> Result<ToolOutput, CallError> {
        Ok(match serde_json::value::to_raw_value(&self.0) {
            Ok(value) => ToolOutput {
                structured: Some(value.clone()),
                ..ToolOutput::text(String::from(Box::<str>::from(value)))
            },
            Err(error) => return Err(ToolError::internal(error).into()),
        })
    }
}

/// Writes a `CallToolResult`.
impl WriteResult for ToolOutput {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        if let Some(raw) = &self.raw {
            let era = writer.era();
            return raw.write(writer, None, |name, value| {
                // Before 2026-07-28 it had to be an object.
                era == Era::Modern || name != "structuredContent" || value.is_object()
            });
        }
        writer.open_array(r#"{"content":"#, self.content.as_slice(), write_content);
        if let Some(structured) = &self.structured
            && (writer.era() == Era::Modern || structured.get().starts_with('{'))
        {
            writer.raw("structuredContent", structured.get());
        }
        if self.is_error {
            writer.raw("isError", "true");
        }
        writer.end(self.meta.as_deref());
    }
}
