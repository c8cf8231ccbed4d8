//! Asking by hand.

use serde_json::Value;

use super::Question;
use crate::call::CallError;

/// Questions that a handler returns instead of a result, to be called again with the
/// answers: the plain way of asking, in which the handler keeps the state of the call
/// itself. `cx.elicit(…)` and the like are shorter, and work in both eras; this only in
/// 2026-07-28 (Patterns, "Multi Round-Trip Requests").
///
/// ```
/// use mcp_stateless::{ElicitResult, InputRequired, NoArguments, Question, ToolContext, ToolError};
///
/// #[derive(schemars::JsonSchema)]
/// struct Name { name: String }
///
/// async fn greet(_: NoArguments, cx: ToolContext) -> Result<String, ToolError> {
///     let Some(answer) = cx.answer::<ElicitResult>("name")? else {
///         let question = Question::form_of::<Name>("What is your name?");
///         return Err(InputRequired::new().ask("name", question).state("asked once").into());
///     };
///     assert_eq!(cx.state::<String>().as_deref(), Some("asked once"));
///     Ok(format!("Hello, {:?}", answer.content))
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct InputRequired {
    pub(super) questions: Vec<(String, Question)>,
    pub(super) state: Option<Value>,
}

impl InputRequired {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a question, in place of one of the same key. Its answer comes under this key.
    #[must_use]
    pub fn ask(mut self, key: impl Into<String>, question: Question) -> Self {
        let key = key.into();
        self.questions.retain(|(other, _)| *other != key);
        self.questions.push((key, question));
        self
    }

    /// Sets what the handler wants to know when it is called again. It travels sealed by
    /// way of the client, together with the answers so far.
    #[must_use]
    pub fn state(mut self, state: impl Into<Value>) -> Self {
        self.state = Some(state.into());
        self
    }
}

impl From<InputRequired> for CallError {
    fn from(required: InputRequired) -> Self {
        Self::InputRequired(Box::new(required))
    }
}
