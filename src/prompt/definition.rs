//! A prompt: its definition and its handler.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::PromptOutput;
use crate::call::{BoundHandler, Call, CallFuture, Handler, Rights, StatefulHandler, rights_setters};
use crate::completion::{CompiledCompleters, Completers, Completion};
use crate::error::RegistryError;
use crate::jsonrpc::scan::Scanner;
use crate::jsonrpc::{RpcError, write};
use crate::protocol::{Icon, OwnMeta, meta_setter, write_meta};

/// A prompt to add to a [`PromptRegistry`](crate::PromptRegistry): its definition, its handler, and
/// the completers of its arguments.
///
/// ```
/// use mcp_stateless::{Prompt, PromptRegistry};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Review {
///     /// The code to review.
///     code: String,
///     language: Option<String>,
/// }
///
/// let review = Prompt::new("review", "Review code", async |Review { code, .. }: Review| {
///     format!("Please review:\n{code}")
/// })
/// .complete("language", async |typed: mcp_stateless::completion::Completing| {
///     let languages = ["python", "rust"].into_iter();
///     languages.filter(|name| name.starts_with(&typed.value)).map(String::from).collect::<Vec<_>>()
/// });
/// let prompts = PromptRegistry::builder().register(review).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// `S` is the state that the handler takes, which the registry's builder provides.
#[must_use]
pub struct Prompt<S = ()> {
    pub(crate) name: String,
    description: String,
    title: Option<String>,
    icons: Vec<Icon>,
    meta: OwnMeta,
    arguments: Vec<PromptArgument>,
    pub(crate) rights: Rights,
    completers: Completers<S>,
    handler: StatefulHandler<S, PromptOutput>,
}

/// An argument of a prompt (2026-07-28, Schema, `PromptArgument`). Its value is a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromptArgument {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    required: bool,
}

impl PromptArgument {
    /// Creates a required argument.
    pub fn required(name: impl Into<String>) -> Self {
        Self { name: name.into(), title: None, description: None, required: true }
    }

    /// Creates an optional argument.
    pub fn optional(name: impl Into<String>) -> Self {
        Self { required: false, ..Self::required(name) }
    }

    /// Sets the display name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl<S> fmt::Debug for Prompt<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Prompt").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Prompt<S> {
    /// Creates a prompt whose arguments are the fields of the type that its `handler` takes, in the
    /// order of their declaration. If the type has flattened fields, they are listed in the order
    /// of its schema.
    #[cfg(feature = "schemas")]
    pub fn new<M, H>(name: impl Into<String>, description: impl Into<String>, handler: H) -> Self
    where
        // The compiler shows these comments where a bound is not met.
        M: crate::tool::TypedArguments, // needs `#[derive(serde::Deserialize, schemars::JsonSchema)]`
        H: Clone, // each call clones a closure: put an `Arc` around captures that are not `Clone`
        H: Handler<M, S, PromptOutput>, // a closure owns what it captures: `async move |…| …`
    {
        let arguments = arguments_of(&M::input_schema(), M::declared());
        Self::with_arguments(name, description, arguments, handler)
    }

    /// Creates a prompt with given arguments. Requests without a required one are refused.
    /// Otherwise arguments are checked by deserialising them into the type that the `handler`
    /// takes.
    pub fn with_arguments<M, H: Handler<M, S, PromptOutput>>(
        name: impl Into<String>,
        description: impl Into<String>,
        arguments: impl IntoIterator<Item = PromptArgument>,
        handler: H,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            title: None,
            icons: Vec::new(),
            meta: None,
            arguments: arguments.into_iter().collect(),
            rights: Rights::default(),
            completers: Completers::default(),
            handler: StatefulHandler::new(handler),
        }
    }

    /// Sets the handler that completes the values of an argument (`completion/complete`). It takes
    /// a [`Completing`](crate::completion::Completing).
    pub fn complete<M, H>(mut self, argument: impl Into<String>, completer: H) -> Self
    where
        H: Handler<M, S, Completion>,
    {
        self.completers.insert(argument.into(), StatefulHandler::new(completer));
        self
    }
}

impl<S> Prompt<S> {
    /// Binds the handlers to their state, so that the prompt fits a registry with any other state.
    pub fn with_state<Other>(self, state: S) -> Prompt<Other>
    where
        S: Clone,
    {
        Prompt {
            completers: self.completers.with_state(&state),
            handler: StatefulHandler::Bound(self.handler.bind(state)),
            name: self.name,
            description: self.description,
            title: self.title,
            icons: self.icons,
            meta: self.meta,
            arguments: self.arguments,
            rights: self.rights,
        }
    }

    meta_setter!(meta);

    rights_setters!(rights);

    /// Sets the display name.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Adds an icon.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.push(icon);
        self
    }
}

impl Prompt {
    /// Checks the definition and compiles it.
    pub(crate) fn compile(self) -> Result<CompiledPrompt, RegistryError> {
        let error = |fault: String| RegistryError::new("prompt", &self.name, fault);
        self.rights.check().map_err(error)?;
        if self.name.is_empty() {
            return Err(error("the name must not be empty".to_owned()));
        }
        if self.name.len() > MAX_NAME || self.name.chars().any(char::is_control) {
            return Err(error(format!(
                "the name must have at most {MAX_NAME} bytes, and no control characters"
            )));
        }
        for (index, argument) in self.arguments.iter().enumerate() {
            if self.arguments[..index].iter().any(|other| other.name == argument.name) {
                return Err(error(format!("the argument `{}` occurs twice", argument.name)));
            }
        }
        let known = |name: &&String| self.arguments.iter().any(|argument| argument.name == **name);
        if let Some(stray) = self.completers.arguments().find(|name| !known(name)) {
            return Err(error(format!("`{stray}` has a completer, but is not an argument")));
        }
        let mut buffer = write::texts([
            ("name", Some(self.name.as_str())),
            ("title", self.title.as_deref()),
            ("description", Some(&self.description)),
        ]);
        // Strings, flags and lists of them always serialise.
        if !self.arguments.is_empty() {
            write::key(&mut buffer, "arguments");
            let _ = write::json(&mut buffer, &self.arguments);
        }
        if !self.icons.is_empty() {
            write::key(&mut buffer, "icons");
            let _ = write::json(&mut buffer, &self.icons);
        }
        write_meta(&mut buffer, &self.meta);
        buffer.push(b'}');
        let required = self.arguments.into_iter().filter(|argument| argument.required);
        Ok(CompiledPrompt {
            name: self.name.into(),
            definition: buffer,
            required: required.map(|argument| argument.name.into()).collect(),
            completers: self.completers.compile(),
            rights: self.rights,
            handler: self.handler.bind(()),
        })
    }
}

/// Returns the properties of a schema: first the declared ones in order, then the others in the
/// order of the schema.
#[cfg(feature = "schemas")]
fn arguments_of(schema: &schemars::Schema, declared: &[&str]) -> Vec<PromptArgument> {
    let Some(properties) = schema.get("properties").and_then(|it| it.as_object()) else { return Vec::new() };
    let required = schema.get("required").and_then(|it| it.as_array());
    let argument = |(name, property): (&String, &serde_json::Value)| {
        let text = |key| property.get(key).and_then(|it| it.as_str()).map(str::to_owned);
        PromptArgument {
            name: name.clone(),
            title: text("title"),
            description: text("description"),
            required: required.is_some_and(|names| names.iter().any(|it| it == name)),
        }
    };
    let mut arguments: Vec<_> = properties.iter().map(argument).collect();
    let place = |name: &str| declared.iter().position(|other| *other == name).unwrap_or(declared.len());
    arguments.sort_by_key(|argument| place(&argument.name));
    arguments
}

/// The maximum number of bytes of a prompt's name.
const MAX_NAME: usize = 256;

/// A checked prompt, ready to be requested.
pub(crate) struct CompiledPrompt {
    pub(crate) name: Arc<str>,
    pub(crate) definition: Vec<u8>,
    pub(crate) completers: CompiledCompleters,
    pub(crate) rights: Rights,
    required: Vec<Box<str>>,
    handler: BoundHandler<PromptOutput>,
}

impl CompiledPrompt {
    pub(crate) fn call(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        if !self.rights.allow(call.head()) {
            return CallFuture::refused(RpcError::unknown_prompt(call.target()));
        }
        if let Err(missing) = self.rights.check_scopes(&call) {
            return CallFuture::refused(missing);
        }
        if let Some(missing) = self.missing(call.arguments()) {
            let fault = format!("Invalid arguments: missing field `{missing}`");
            return CallFuture::refused(RpcError::invalid_params(fault));
        }
        let name = call.other_name(&self.name);
        let mut future = (self.handler)(call);
        future.name = name;
        future
    }

    /// Returns a required argument that is missing in the JSON text of an object.
    fn missing(&self, arguments: &str) -> Option<&str> {
        if self.required.is_empty() {
            return None;
        }
        let mut missing: Vec<&str> = self.required.iter().map(|name| &**name).collect();
        // The text was scanned before, so it is valid.
        let _ = Scanner::new(arguments).members(|scanner, key| {
            let value = scanner.value()?;
            missing.retain(|name| value.is_null() || !key.is_key(name));
            Ok(())
        });
        missing.first().copied()
    }
}
