//! What a prompt answers.

use std::borrow::Cow;

use crate::call::output::sealed::Sealed;
use crate::call::raw_output::{InvalidOutput, Main, RawOutput};
use crate::call::{CallError, CallKind, IntoOutput, Output, ResultWriter, WriteResult};
use crate::protocol::{Content, Role, write_content};

/// The result of a prompt (2026-07-28, Schema, `GetPromptResult`).
///
/// ```
/// use mcp_stateless::prompt::{PromptMessage, PromptOutput};
/// use mcp_stateless::protocol::{Content, Role};
///
/// let output = PromptOutput::new([
///     PromptMessage::user("Which of these is a cat?"),
///     PromptMessage::user(Content::image(b"...", "image/png")),
///     PromptMessage::assistant("The second one."),
/// ]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptOutput {
    pub(crate) description: Option<String>,
    pub(crate) messages: Vec<PromptMessage>,
    /// Instead of all else.
    pub(crate) raw: Option<RawOutput>,
}

/// A message of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    pub(crate) role: Role,
    pub(crate) content: Content,
}

impl PromptMessage {
    /// Something that the user says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// Something that the model says.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

impl PromptOutput {
    /// The result whose JSON text this is: a `GetPromptResult`, such as
    /// another server's. Its members reach the client as they are. What differs between the
    /// revisions is written as the client's revision has it: `resultType`, the server's name in
    /// `_meta`.
    ///
    /// # Errors
    /// When the text is not a JSON object, is nested deeper than 128 levels, or when `messages`
    /// is not an array.
    pub fn from_json(json: impl Into<String>) -> Result<Self, InvalidOutput> {
        let raw = RawOutput::read(json.into(), Main::Array("messages"), |_, _| {})?;
        Ok(Self { raw: Some(raw), ..Self::default() })
    }

    /// A result of these messages.
    pub fn new(messages: impl IntoIterator<Item = PromptMessage>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }

    /// Sets what the messages are about.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl Sealed for PromptOutput {}

impl Output for PromptOutput {
    const KIND: CallKind = CallKind::Prompt;
}

macro_rules! one_message {
    ($($content:ty),*) => {$(
        impl IntoOutput<PromptOutput> for $content {
            fn into_output(self) -> Result<PromptOutput, CallError> {
                Ok(PromptOutput::new([PromptMessage::user(self)]))
            }
        }
    )*};
}

one_message!(String, &'static str, Cow<'static, str>, Content);

impl IntoOutput<PromptOutput> for Vec<PromptMessage> {
    fn into_output(self) -> Result<PromptOutput, CallError> {
        Ok(PromptOutput::new(self))
    }
}

/// Writes a `GetPromptResult`.
impl WriteResult for PromptOutput {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        if let Some(raw) = &self.raw {
            return raw.write(writer, None, |_, _| true);
        }
        writer.open_array(r#"{"messages":"#, &self.messages, |buffer, message| {
            buffer.extend_from_slice(match message.role {
                Role::User => br#"{"role":"user","content":"#.as_slice(),
                Role::Assistant => br#"{"role":"assistant","content":"#.as_slice(),
            });
            write_content(buffer, &message.content);
            buffer.push(b'}');
        });
        if let Some(description) = &self.description {
            writer.string("description", description);
        }
        writer.end(None);
    }
}
