//! Completion of the arguments of prompts and of the variables of resource templates
//! (2026-07-28, Server, "Completion").

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::raw_output::{InvalidOutput, Main, RawOutput};
use crate::call::{ResultWriter, WriteResult};
use crate::jsonrpc::{Raw, RpcError, write};
use crate::registry::Answer;
use crate::request::{Params, RareParams};

/// The most values that a completion may have.
const MAX_VALUES: usize = 100;

/// What is to be completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completing {
    /// What has been typed so far.
    pub value: String,
    /// The other arguments, as far as they are known.
    pub context: BTreeMap<String, String>,
}

/// Suggestions, the best first. At most 100 are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    pub(crate) values: Vec<String>,
    pub(crate) total: Option<usize>,
    pub(crate) has_more: bool,
    /// Instead of all else.
    pub(crate) raw: Option<RawOutput>,
}

impl Completion {
    /// The result whose JSON text this is: a `CompleteResult`, such as
    /// another server's. Its members reach the client as they are. What differs between the
    /// revisions is written as the client's revision has it: `resultType`, the server's name in
    /// `_meta`.
    ///
    /// # Errors
    /// When the text is not a JSON object, is nested deeper than 128 levels, or when `completion`
    /// is not an object.
    pub fn from_json(json: impl Into<String>) -> Result<Self, InvalidOutput> {
        let raw = RawOutput::read(json.into(), Main::Object("completion"), |_, _| {})?;
        Ok(Self { raw: Some(raw), ..Self::default() })
    }

    /// These suggestions; those beyond the first 100 are counted, and not sent.
    pub fn new(values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        let total = values.len();
        values.truncate(MAX_VALUES);
        Self { has_more: total > values.len(), values, total: Some(total), raw: None }
    }

    /// Says how many suggestions there are in all, when that is more than were given.
    #[must_use]
    pub fn total(mut self, total: usize) -> Self {
        self.has_more = total > self.values.len();
        self.total = Some(total);
        self
    }
}

impl<S: Into<String>> From<Vec<S>> for Completion {
    fn from(values: Vec<S>) -> Self {
        Self::new(values)
    }
}

/// What a `completion/complete` completes an argument of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference<'a> {
    /// The prompt of this name.
    Prompt(&'a str),
    /// The resource template, as it is written in the list.
    Resource(&'a str),
}

/// A `completion/complete` that has passed the manager's checks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompletionRequest<'a> {
    /// Whose argument it is.
    pub reference: Reference<'a>,
    /// The name of the argument.
    pub argument: &'a str,
    /// What has been typed, and what else is known.
    pub completing: Completing,
    /// The head of the HTTP request.
    pub head: &'a http::request::Parts,
    /// The revision of the protocol that the request speaks.
    pub revision: crate::protocol::Revision,
}

/// A `completion/complete` that outlives the request's body.
pub(crate) struct OwnedCompletionRequest {
    is_prompt: bool,
    reference: String,
    argument: String,
    completing: Completing,
    head: http::request::Parts,
    revision: crate::protocol::Revision,
}

impl CompletionRequest<'_> {
    pub(crate) fn to_owned(&self) -> OwnedCompletionRequest {
        let (is_prompt, reference) = match self.reference {
            Reference::Prompt(name) => (true, name.to_owned()),
            Reference::Resource(uri) => (false, uri.to_owned()),
        };
        OwnedCompletionRequest {
            is_prompt,
            reference,
            argument: self.argument.to_owned(),
            completing: self.completing.clone(),
            head: self.head.clone(),
            revision: self.revision,
        }
    }
}

impl OwnedCompletionRequest {
    /// Reads the parameters of a request.
    pub(crate) fn read(
        params: RareParams<'_>,
        head: http::request::Parts,
        revision: crate::protocol::Revision,
    ) -> Result<Self, RpcError> {
        #[derive(Deserialize)]
        #[serde(tag = "type")]
        enum Ref {
            #[serde(rename = "ref/prompt")]
            Prompt { name: String },
            #[serde(rename = "ref/resource")]
            Resource { uri: String },
        }
        #[derive(Deserialize)]
        struct Argument {
            name: String,
            value: String,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Context {
            arguments: BTreeMap<String, String>,
        }

        fn read<T: DeserializeOwned>(name: &str, param: Option<Raw<'_>>) -> Result<T, RpcError> {
            let misfit = |fault: String| RpcError::invalid_params(format!("`{name}` does not fit: {fault}"));
            // Read as a struct, an array would do as well.
            let param = param.filter(|param| param.is_object());
            let param = param.ok_or_else(|| misfit("it must be an object".to_owned()))?;
            serde_json::from_str(param.text()).map_err(|error| misfit(error.to_string()))
        }

        let (is_prompt, reference) = match read("ref", params.reference)? {
            Ref::Prompt { name } => (true, name),
            Ref::Resource { uri } => (false, uri),
        };
        let argument: Argument = read("argument", params.argument)?;
        let context = match Params::present(params.context) {
            Some(context) => read::<Context>("context", Some(context))?.arguments,
            None => BTreeMap::new(),
        };
        let completing = Completing { value: argument.value, context };
        Ok(Self { is_prompt, reference, argument: argument.name, completing, head, revision })
    }

    pub(crate) fn borrow(&self) -> CompletionRequest<'_> {
        let reference = if self.is_prompt { Reference::Prompt } else { Reference::Resource };
        CompletionRequest {
            reference: reference(&self.reference),
            argument: &self.argument,
            completing: self.completing.clone(),
            head: &self.head,
            revision: self.revision,
        }
    }
}

/// An asynchronous function that completes an argument: it takes a [`Completing`] and
/// returns suggestions, such as a `Vec<String>`.
pub trait Completer: Send + Sync + 'static {
    #[doc(hidden)]
    fn erase(self) -> ErasedCompleter;
}

type Suggesting = Pin<Box<dyn Future<Output = Completion> + Send>>;

#[doc(hidden)]
pub struct ErasedCompleter(Box<dyn Fn(Completing) -> Suggesting + Send + Sync>);

impl fmt::Debug for ErasedCompleter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Completer").finish_non_exhaustive()
    }
}

impl<F, Fut> Completer for F
where
    F: Fn(Completing) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<Completion>> + Send + 'static,
{
    fn erase(self) -> ErasedCompleter {
        ErasedCompleter(Box::new(move |completing| {
            let suggesting = self(completing);
            Box::pin(async move { suggesting.await.into() })
        }))
    }
}

/// What completes the arguments of one prompt or template.
#[derive(Debug)]
pub(crate) struct Complete(HashMap<String, ErasedCompleter>);

impl Complete {
    pub(crate) fn new(completers: HashMap<String, ErasedCompleter>) -> Self {
        Self(completers)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Suggestions for an argument; none when nothing completes it.
    pub(crate) fn complete(&self, argument: &str, completing: Completing) -> Answer<'_, Completion> {
        match self.0.get(argument) {
            Some(completer) => Answer::later(async move { Ok((completer.0)(completing).await) }),
            None => Answer::ready(Ok(Completion::default())),
        }
    }
}

/// There is nothing of this reference to complete.
pub(crate) fn unknown_reference(reference: Reference<'_>) -> RpcError {
    match reference {
        Reference::Prompt(name) => RpcError::unknown_prompt(name),
        Reference::Resource(uri) => RpcError::invalid_params(format!("Unknown resource template: {uri}")),
    }
}

/// Writes a `CompleteResult`.
impl WriteResult for Completion {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        if let Some(raw) = &self.raw {
            return raw.write(writer, None, |_, _| true);
        }
        let write_value = |buffer: &mut Vec<u8>, value: &String| write::string(buffer, value);
        writer.open_array(r#"{"completion":{"values":"#, &self.values, write_value);
        if let Some(total) = self.total {
            writer.json("total", &total);
        }
        writer.json("hasMore", &self.has_more);
        writer.buffer.push(b'}');
        writer.end(None);
    }
}
