//! Asking from a handler.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{AskError, ElicitAction, ElicitResult, Question, Root, SamplingRequest, SamplingResult};
use crate::call::CallContext;
use crate::jsonrpc::RpcError;
use crate::protocol::{ClientCapability, Era};

/// Questions to the client (feature `ask`).
///
/// Each question has a key, which distinguishes it from the other questions of the call. A second
/// question under the same key is sent as `key#2` and so on, for example in a loop that asks until
/// the answer makes sense.
///
/// In 2026-07-28 a question without an answer ends the request, and the client calls again. The
/// handler then runs again from its beginning. So ask before you do what must not be done twice,
/// and ask the same questions under the same keys in the same order. Questions that are awaited
/// together, for example with `tokio::join!`, are sent together.
///
/// In earlier revisions the handler waits for the answer. The client must accept a stream, and its
/// answer must reach this process or one that shares its [`ChangeBus`](crate::changes::ChangeBus).
///
/// An answer is not an authorisation, because the client can invent it; see
/// [`InputRequired`](crate::ask::InputRequired#an-answer-is-not-an-authorisation).
///
/// # Questions beside other work
///
/// In 2026-07-28, a call with an unanswered question ends as soon as the handler waits for nothing
/// else. In `tokio::join!(cx.elicit(…), work)` the work continues, may send progress, and may ask
/// as well; the questions are then sent together. The next round runs all of it again. Limits:
///
/// - The work has [30 s](crate::manager::ManagerBuilder::question_grace), or less if the tool's time
///   limit is shorter; then it is dropped.
/// - If a question is not polled by the handler's own task, for example in a `FuturesUnordered` or
///   a spawned task, the manager cannot tell what else the handler waits for. The call then ends
///   when the handler was not woken for a second.
/// - While a question has no answer, the reply is the question, whatever the handler returns. Do
///   not put a question into a `select!` or under a timeout: no answer arrives within this request.
///   The [`state_lifetime`](crate::manager::ManagerBuilder::state_lifetime) bounds the client's
///   time.
impl CallContext {
    /// Asks the user to fill in a form whose fields are those of `T` (2026-07-28, Client,
    /// "Elicitation"). Ask for secrets with [`elicit_url`](Self::elicit_url) instead.
    ///
    /// ```
    /// use mcp_stateless::call::NoArguments;
    /// use mcp_stateless::{CallContext, ToolError};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Confirm {
    ///     /// Really delete it all?
    ///     really: bool,
    /// }
    ///
    /// async fn delete_all(_: NoArguments, cx: CallContext) -> Result<&'static str, ToolError> {
    ///     let confirm: Confirm = cx.elicit("confirm", "This deletes everything.").await?;
    ///     Ok(if confirm.really { "deleted" } else { "kept" })
    /// }
    /// ```
    #[cfg(feature = "schemas")]
    pub async fn elicit<T>(&self, key: &str, message: impl Into<String>) -> Result<T, AskError>
    where
        T: DeserializeOwned + schemars::JsonSchema,
    {
        self.elicit_form(key, Question::form_of::<T>(message)).await
    }

    /// Asks the user to fill in a form with a given schema.
    pub async fn elicit_with_schema<T: DeserializeOwned>(
        &self,
        key: &str,
        message: impl Into<String>,
        schema: impl serde::Serialize,
    ) -> Result<T, AskError> {
        self.elicit_form(key, Question::form(message, schema)).await
    }

    async fn elicit_form<T: DeserializeOwned>(&self, key: &str, question: Question) -> Result<T, AskError> {
        let content = self.elicited(key, question).await?.content.unwrap_or_default();
        self.read(key, &Value::Object(content).to_string())
    }

    /// Asks the user to visit a page, for data that must not pass through the client. Returns when
    /// the user has agreed to visit it. The answer does not tell what the user did there.
    pub async fn elicit_url(
        &self,
        key: &str,
        message: impl Into<String>,
        url: impl Into<String>,
    ) -> Result<(), AskError> {
        self.elicited(key, Question::url(message, url)).await.map(drop)
    }

    async fn elicited(&self, key: &str, question: Question) -> Result<ElicitResult, AskError> {
        let answer: ElicitResult = self.ask(key, question).await?;
        match answer.action {
            ElicitAction::Accept => Ok(answer),
            ElicitAction::Decline => Err(AskError::Declined),
            ElicitAction::Cancel => Err(AskError::Cancelled),
        }
    }

    /// Asks the client's model (2026-07-28, Client, "Sampling", deprecated there).
    pub async fn sample(&self, key: &str, request: &SamplingRequest) -> Result<SamplingResult, AskError> {
        self.ask(key, Question::sampling(request)).await
    }

    /// Asks in which directories the server may work (2026-07-28, Client, "Roots",
    /// deprecated there).
    pub async fn roots(&self, key: &str) -> Result<Vec<Root>, AskError> {
        #[derive(serde::Deserialize)]
        struct ListRootsResult {
            roots: Vec<Root>,
        }
        self.ask::<ListRootsResult>(key, Question::roots()).await.map(|result| result.roots)
    }

    /// Asks a question, and deserialises the answer as the specification defines it, for example
    /// an [`ElicitResult`], whatever the user did.
    pub async fn ask<T: DeserializeOwned>(&self, key: &str, question: Question) -> Result<T, AskError> {
        let answer = self.exchange().asks.ask(self, key, question).await?;
        self.read(key, answer.get())
    }

    /// Asks a question, and returns the answer as the client sent it, for a handler that passes
    /// it on.
    pub async fn ask_json(&self, key: &str, question: Question) -> Result<Box<RawValue>, AskError> {
        self.exchange().asks.ask(self, key, question).await
    }

    /// Returns the answers of this request by their keys, as the client sent them, for a handler that returns
    /// [`InputRequired`](crate::ask::InputRequired). The client can invent them.
    pub fn answers(&self) -> std::collections::BTreeMap<String, Box<RawValue>> {
        self.exchange().asks.brought()
    }

    fn read<T: DeserializeOwned>(&self, key: &str, answer: &str) -> Result<T, AskError> {
        // `serde` would accept an array for a struct as well.
        let read = if answer.starts_with('{') {
            crate::call::from_json(answer)
        } else {
            Err("it must be an object".to_owned())
        };
        read.map_err(|fault| {
            let fault = fault.trim_start_matches("Invalid arguments: ");
            match self.revision().era() {
                Era::Modern => {
                    let fault = format!("The answer to `{key}` is not valid: {fault}");
                    AskError::Rpc(RpcError::invalid_params(fault))
                }
                Era::Legacy => AskError::Misfit(fault.to_owned()),
            }
        })
    }

    /// Returns whether the client declares a capability. Requests of the legacy era do not declare any, and
    /// the result is `true`.
    pub fn supports(&self, capability: ClientCapability) -> bool {
        self.require(capability).is_ok()
    }

    /// Returns the answer under this key, if the request has one, for a handler that returns
    /// [`InputRequired`](crate::ask::InputRequired). The client can invent it.
    ///
    /// # Errors
    /// Returns the error `-32602` if the answer does not deserialise as `T`.
    pub fn answer<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, RpcError> {
        let answer = self.exchange().asks.see(key);
        let answer = answer.map(|answer| self.read(key, answer.get())).transpose();
        answer.map_err(|error| match error {
            AskError::Rpc(error) => error,
            other => RpcError::invalid_params(other.to_string()),
        })
    }

    /// Returns the state of the previous round, for a handler that returns
    /// [`InputRequired`](crate::ask::InputRequired). Returns `None` if there is none, or if it does not
    /// deserialise as `T`.
    pub fn state<T: DeserializeOwned>(&self) -> Option<T> {
        self.exchange().asks.state().map(RawValue::get).and_then(|state| serde_json::from_str(state).ok())
    }
}
