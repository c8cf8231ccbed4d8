//! The results of prompts.

use std::borrow::Cow;

use crate::call::output::sealed::Sealed;
use crate::call::raw_output::{InvalidOutput, Main, RawOutput};
use crate::call::{CallError, CallKind, IntoOutput, Output, ResultWriter, WriteResult};
use crate::protocol::{Content, OwnMeta, Role, meta_setter, write_content};

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
    pub(crate) meta: OwnMeta,
    /// Replaces all other fields.
    pub(crate) raw: Option<RawOutput>,
}

/// A message of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    pub(crate) role: Role,
    pub(crate) content: Content,
}

impl PromptMessage {
    /// Creates a message from the user.
    pub fn user(content: impl Into<Content>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// Creates a message from the model.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }

    /// Creates a message from `role`.
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Self { role, content: content.into() }
    }

    /// Returns the role that the message is from.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the content.
    pub fn content(&self) -> &Content {
        &self.content
    }
}

impl PromptOutput {
    /// Creates a result from the JSON text of a `GetPromptResult`, for example of another server.
    /// Its members reach the client unchanged, except those that depend on the client's revision:
    /// `resultType`, and the server's name in `_meta`.
    ///
    /// # Errors
    /// Returns an error if the text is not a JSON object, is nested more than 128 levels deep, or if
    /// `messages` is not an array.
    pub fn from_json(json: impl Into<String>) -> Result<Self, InvalidOutput> {
        let raw = RawOutput::read(json.into(), Main::Array("messages"), |_, _| {})?;
        Ok(Self { raw: Some(raw), ..Self::default() })
    }

    /// Creates a result with these messages.
    pub fn new(messages: impl IntoIterator<Item = PromptMessage>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    meta_setter!(
        #[must_use]
        meta
    );

    /// Returns the messages. Empty for a result that was created [from JSON](Self::from_json).
    pub fn messages(&self) -> &[PromptMessage] {
        &self.messages
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
        writer.end(self.meta.as_deref());
    }
}
