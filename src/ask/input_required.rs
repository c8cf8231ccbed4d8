//! Questions that a handler returns.

use serde_json::Value;

use super::Question;
use crate::call::CallError;

/// Questions that a handler returns instead of a result, to be called again with the answers:
/// the plain way of asking, in which the handler keeps the state of the call itself.
/// `cx.elicit(…)` and the like are shorter, and work in both eras; this works only in
/// 2026-07-28 (Patterns, "Multi Round-Trip Requests").
///
/// # An answer is not an authorisation
///
/// Answers come from the client, which may make them up: in its first call already, for a
/// question that it was not asked, or without having shown it to anyone. The state is sealed,
/// so a handler can rely on it: the client sends back, for the same call of the same caller,
/// what the handler put there. But the client may send it again with other answers, as often
/// as it likes while it is valid. So a handler treats an answer as it treats an argument, and
/// checks by other means whether the caller may do what it asks for. With an
/// [`answer_guard`](crate::manager::ManagerBuilder::answer_guard) answers are taken once, and only for
/// questions that went out with the state.
///
/// ```
/// use mcp_stateless::ask::{ElicitResult, InputRequired, Question};
/// use mcp_stateless::call::NoArguments;
/// use mcp_stateless::{CallContext, ToolError};
///
/// #[derive(schemars::JsonSchema)]
/// struct Name { name: String }
///
/// async fn greet(_: NoArguments, cx: CallContext) -> Result<String, ToolError> {
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
