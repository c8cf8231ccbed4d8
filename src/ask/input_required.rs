//! Questions that a handler returns.

use serde_json::Value;
#[cfg(feature = "tasks")]
use serde_json::value::RawValue;

use super::Question;
use crate::call::CallError;
#[cfg(feature = "tasks")]
use crate::jsonrpc::RpcError;

/// Questions that a handler returns instead of a result. The client calls again with the answers
/// (2026-07-28, Patterns, "Multi Round-Trip Requests").
///
/// This is the low-level way to ask. The handler manages the state of the call itself, and it only works
/// in 2026-07-28. `cx.elicit(…)` and related methods are shorter, and work in both eras.
///
/// # An answer is not an authorisation
///
/// Answers come from the client, which may invent them: in its first call, for a question that it was
/// not asked, or without showing the question to anyone. The state is sealed, so a handler can rely on it:
/// the handler set it in an earlier round of the same call by the same caller. However, until it expires,
/// the client may send it again with other answers, any number of times. Treat an answer like an argument,
/// and check by other means whether the caller may do what it asks for. With an
/// [`answer_guard`](crate::manager::ManagerBuilder::answer_guard), answers are accepted once, and only to
/// questions that were sent with the state.
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

/// Questions with their keys.
#[cfg(feature = "tasks")]
type KeyedQuestions = Vec<(String, Question)>;

impl InputRequired {
    /// Creates a result without questions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a question, or replaces the one with the same key. Its answer has this key.
    #[must_use]
    pub fn ask(mut self, key: impl Into<String>, question: Question) -> Self {
        let key = key.into();
        self.questions.retain(|(other, _)| *other != key);
        self.questions.push((key, question));
        self
    }

    /// Returns the questions with their keys, and the JSON of the state.
    ///
    /// # Errors
    /// `-32603` when one of them cannot be asked, which is logged.
    #[cfg(feature = "tasks")]
    pub(crate) fn into_parts(self) -> Result<(KeyedQuestions, Option<Box<RawValue>>), RpcError> {
        if let Some((key, fault)) =
            self.questions.iter().find_map(|(key, it)| Some((key, it.fault.as_ref()?)))
        {
            tracing::error!(key, fault, "a question cannot be asked");
            return Err(RpcError::internal());
        }
        let state = self.state.map(|state| serde_json::value::to_raw_value(&state)).transpose();
        Ok((self.questions, state.map_err(|_| RpcError::internal())?))
    }

    /// Sets the state that the handler gets when it is called again. It is sealed, and sent to the client
    /// and back together with the answers so far.
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
