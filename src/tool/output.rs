//! What a tool answers.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::ToolError;
use super::error::Failure;
use crate::protocol::Content;
use crate::rpc::RpcError;

/// The result of a tool (2026-07-28, Schema, `CallToolResult`).
///
/// ```
/// use mcp_stateless::{Content, ToolOutput};
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
    pub(crate) meta: Option<Box<serde_json::Map<String, serde_json::Value>>>,
}

/// Content blocks; nearly always there is one.
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
    /// A result with no content.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A result of one text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self { content: Blocks::One(Content::text(text)), ..Self::default() }
    }

    /// A result that says what went wrong (`isError`), for the model to read.
    pub fn error(message: impl Into<Cow<'static, str>>) -> Self {
        Self { is_error: true, ..Self::text(message) }
    }

    /// Adds a block of content.
    #[must_use]
    pub fn with(mut self, block: Content) -> Self {
        self.content.push(block);
        self
    }

    /// Sets the structured content, which should fit the tool's output schema.
    /// It is not repeated as text; [`Json`] does both.
    ///
    /// # Errors
    /// When the value cannot be JSON, such as a map whose keys are no strings.
    pub fn with_structured(mut self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.structured = Some(serde_json::value::to_raw_value(value)?);
        Ok(self)
    }

    /// Adds a member to the result's `_meta`.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.meta.get_or_insert_default().insert(key.into(), value.into());
        self
    }
}

/// What a handler may return.
///
/// Numbers, `bool` and strings become one text; [`Content`] and `Vec<Content>`
/// stand for themselves, `()` for no content; [`Json`] becomes structured content;
/// of a `Result`, an error becomes a result with `isError`.
pub trait IntoToolOutput {
    /// The result of the call.
    ///
    /// # Errors
    /// When the call is to be answered by a JSON-RPC error instead of a result.
    fn into_tool_output(self) -> Result<ToolOutput, RpcError>;
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
        Ok(self)
    }
}

impl IntoToolOutput for () {
    fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
        Ok(ToolOutput::empty())
    }
}

impl IntoToolOutput for Content {
    fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
        Ok(ToolOutput { content: Blocks::One(self), ..ToolOutput::default() })
    }
}

impl IntoToolOutput for Vec<Content> {
    fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
        Ok(ToolOutput { content: Blocks::Many(self), ..ToolOutput::default() })
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl IntoToolOutput for $text {
            fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
                Ok(ToolOutput::text(self))
            }
        }
    )*};
}

macro_rules! displayed_as_text {
    ($($value:ty),*) => {$(
        impl IntoToolOutput for $value {
            fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
                Ok(ToolOutput::text(self.to_string()))
            }
        }
    )*};
}

texts!(String, &'static str, Cow<'static, str>);
displayed_as_text!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);

impl<T: IntoToolOutput, E: Into<ToolError>> IntoToolOutput for Result<T, E> {
    fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
        match self {
            Ok(value) => value.into_tool_output(),
            Err(error) => match error.into().0 {
                Failure::Message(message) => Ok(ToolOutput::error(message)),
                Failure::Protocol(error) => Err(error),
            },
        }
    }
}

/// Structured content: the value itself, and its JSON as a text for clients that
/// read only texts (2026-07-28, Server, "Structured Content").
///
/// Before 2026-07-28 structured content had to be an object; a value of another
/// kind reaches clients of those revisions as text alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoToolOutput for Json<T> {
    fn into_tool_output(self) -> Result<ToolOutput, RpcError> {
        Ok(match serde_json::value::to_raw_value(&self.0) {
            Ok(value) => ToolOutput {
                structured: Some(value.clone()),
                ..ToolOutput::text(String::from(Box::<str>::from(value)))
            },
            Err(error) => ToolOutput::error(format!("The result is no JSON: {error}")),
        })
    }
}
