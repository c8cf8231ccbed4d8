//! Completion of arguments of prompts, and of variables of resource templates (2026-07-28, Server,
//! "Completion").

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::answer::Answer;
use crate::call::output::sealed::Sealed;
use crate::call::raw_output::{InvalidOutput, Main, RawOutput};
use crate::call::{
    BoundHandler, CallError, CallKind, IntoOutput, Lookup, Output, ResultWriter, StatefulHandler,
    WriteResult, from_json,
};
use crate::jsonrpc::{Raw, RpcError, write};
use crate::protocol::{OwnMeta, meta_setter};
use crate::request::{Params, RareParams};
use crate::settings::Settings;

/// The maximum number of values of a completion (2026-07-28, Schema, `CompleteResult`).
const MAX_VALUES: usize = 100;

/// The value to complete: the arguments of a completer, which is a
/// [`Handler`](crate::call::Handler) that returns a [`Completion`].
///
/// A completer takes the state, parts of the request and a context like any handler, but its
/// context sends nothing and cannot ask. It returns a [`Completion`], a `Vec` of strings, or a
/// `Result` of either. Errors are logged and masked like those of calls.
///
/// ```
/// use mcp_stateless::completion::Completing;
/// use mcp_stateless::{Prompt, State};
///
/// async fn owners(State(names): State<Vec<String>>, typed: Completing) -> Vec<String> {
///     names.into_iter().filter(|name| name.starts_with(&typed.value)).collect()
/// }
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Report { owner: String }
///
/// let report = Prompt::new("report", "Report", async |Report { owner }: Report| format!("What does {owner} do?"))
///     .complete("owner", owners);
/// # let _: Prompt<Vec<String>> = report;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Completing {
    /// The text that the user has typed so far.
    pub value: String,
    /// The other arguments that are known so far.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
}

/// Suggestions, best first. At most 100 are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    pub(crate) values: Vec<String>,
    pub(crate) total: Option<usize>,
    pub(crate) has_more: bool,
    pub(crate) meta: OwnMeta,
    /// Replaces all other fields.
    pub(crate) raw: Option<RawOutput>,
}

impl Completion {
    /// Creates a completion from the JSON text of a `CompleteResult`, for example of another
    /// server. Its members reach the client unchanged, except those that depend on the client's
    /// revision: `resultType`, and the server's name in `_meta`.
    ///
    /// # Errors
    /// Returns an error if the text is not a JSON object, is nested more than 128 levels deep, or if
    /// `completion` is not an object.
    pub fn from_json(json: impl Into<String>) -> Result<Self, InvalidOutput> {
        let raw = RawOutput::read(json.into(), Main::Object("completion"), |_, _| {})?;
        Ok(Self { raw: Some(raw), ..Self::default() })
    }

    /// Creates a completion with these suggestions. Those after the first 100 are counted, but not
    /// sent.
    pub fn new(values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        let total = values.len();
        values.truncate(MAX_VALUES);
        Self { has_more: total > values.len(), values, total: Some(total), meta: None, raw: None }
    }

    /// Sets the total number of suggestions, if there are more than were given.
    #[must_use]
    pub fn total(mut self, total: usize) -> Self {
        self.has_more = total > self.values.len();
        self.total = Some(total);
        self
    }

    /// Declares that there are more suggestions than were given, if their number is not known.
    #[must_use]
    pub fn has_more(mut self) -> Self {
        self.has_more = true;
        self.total = None;
        self
    }

    meta_setter!(
        #[must_use]
        meta
    );

    /// Returns the suggestions, at most 100. Empty for a completion that was created [from
    /// JSON](Self::from_json).
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

impl<S: Into<String>> From<Vec<S>> for Completion {
    fn from(values: Vec<S>) -> Self {
        Self::new(values)
    }
}

/// The item whose argument is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference<'a> {
    /// The prompt with this name.
    Prompt(&'a str),
    /// The resource template with this pattern, as it is listed.
    Resource(&'a str),
}

/// A `completion/complete` request that has passed the manager's checks.
#[derive(Clone)]
#[non_exhaustive]
pub struct CompletionRequest<'a> {
    /// The item whose argument is completed.
    pub reference: Reference<'a>,
    /// The name of the argument.
    pub argument: &'a str,
    /// The text that the user has typed, and the other known arguments.
    pub completing: Completing,
    /// The head of the HTTP request.
    pub head: &'a http::request::Parts,
    /// The revision of the protocol that the request uses.
    pub revision: crate::protocol::Revision,
    pub(crate) settings: Option<&'a Arc<Settings>>,
}

impl fmt::Debug for CompletionRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CompletionRequest")
            .field("reference", &self.reference)
            .field("argument", &self.argument)
            .field("completing", &self.completing)
            .finish_non_exhaustive()
    }
}

/// A `completion/complete` request that owns its data.
pub(crate) struct OwnedCompletionRequest {
    is_prompt: bool,
    reference: String,
    argument: String,
    completing: Completing,
    head: http::request::Parts,
    revision: crate::protocol::Revision,
    settings: Option<Arc<Settings>>,
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
            settings: self.settings.cloned(),
        }
    }
}

impl OwnedCompletionRequest {
    /// Reads the parameters of a request.
    pub(crate) fn read(
        params: RareParams<'_>,
        head: http::request::Parts,
        revision: crate::protocol::Revision,
        settings: &Arc<Settings>,
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
            let misfit = |fault: String| RpcError::invalid_params(format!("`{name}` is not valid: {fault}"));
            // `serde` would accept an array for a struct as well.
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
        let settings = Some(Arc::clone(settings));
        Ok(Self { is_prompt, reference, argument: argument.name, completing, head, revision, settings })
    }

    pub(crate) fn borrow(&self) -> CompletionRequest<'_> {
        let reference = if self.is_prompt { Reference::Prompt } else { Reference::Resource };
        CompletionRequest {
            reference: reference(&self.reference),
            argument: &self.argument,
            completing: self.completing.clone(),
            head: &self.head,
            revision: self.revision,
            settings: self.settings.as_ref(),
        }
    }
}

impl Sealed for Completion {}

impl Output for Completion {
    const KIND: CallKind = CallKind::Completion;

    fn read_arguments<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
        from_json(arguments)
    }
}

impl<S: Into<String>> IntoOutput<Completion> for Vec<S> {
    fn into_output(self) -> Result<Completion, CallError> {
        Ok(self.into())
    }
}

/// The completers of one prompt or template.
pub(crate) struct Completers<S>(HashMap<String, StatefulHandler<S, Completion>>);

impl<S> Default for Completers<S> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<S> Completers<S> {
    pub(crate) fn insert(&mut self, argument: String, completer: StatefulHandler<S, Completion>) {
        self.0.insert(argument, completer);
    }

    /// The names of the arguments that have a completer.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(crate) fn with_state<Other>(self, state: &S) -> Completers<Other>
    where
        S: Clone,
    {
        let bound = |completer: StatefulHandler<S, _>| StatefulHandler::Bound(completer.bind(state.clone()));
        Completers(self.0.into_iter().map(|(argument, completer)| (argument, bound(completer))).collect())
    }
}

impl Completers<()> {
    pub(crate) fn compile(self) -> CompiledCompleters {
        let bound = self.0.into_iter().map(|(argument, completer)| (argument, completer.bind(())));
        CompiledCompleters(bound.collect())
    }
}

/// The completers of one prompt or template, bound to their state.
pub(crate) struct CompiledCompleters(HashMap<String, BoundHandler<Completion>>);

impl CompiledCompleters {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns suggestions for an argument; none if it has no completer.
    pub(crate) fn complete(&self, request: &CompletionRequest<'_>) -> Answer<'_, Completion> {
        let Some(completer) = self.0.get(request.argument) else {
            return Answer::ready(Ok(Completion::default()));
        };
        let (Reference::Prompt(name) | Reference::Resource(name)) = request.reference;
        let name = name.to_owned();
        let lookup = Lookup::new(request.head, request.revision, request.settings);
        let arguments = serde_json::json!(request.completing).to_string();
        Answer::later(async move { lookup.run(completer, &name, &arguments).await })
    }
}

/// The answer if no such prompt or template exists.
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
        writer.end(self.meta.as_deref());
    }
}
