//! A fixed set of prompts.

use std::fmt;
use std::hash::BuildHasherDefault;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::names::ByName;
use super::page::Pages;
use super::{Answer, Has, Item, ItemKind, ListRequest, Page, Registry};
#[cfg(feature = "schemas")]
use crate::call::Handler;
use crate::call::{Call, CallFuture, TagRule, Tags, rule_setter};
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::error::RegistryError;
use crate::jsonrpc::RpcError;
use crate::prompt::{CompiledPrompt, Prompt, PromptOutput};
use crate::protocol::{CacheHint, Offer, ServerCapabilities};
#[cfg(feature = "schemas")]
use crate::tool::TypedArguments;

/// A fixed set of prompts, checked and serialised when it is built. Clones share them.
///
/// ```
/// use mcp_stateless::PromptRegistry;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Greet { name: String }
///
/// let prompts = PromptRegistry::builder()
///     .prompt("greet", "Greet somebody", async |Greet { name }: Greet| format!("Greet {name} warmly."))
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct PromptRegistry(Arc<Prompts>);

struct Prompts {
    by_name: ByName<CompiledPrompt>,
    pages: Pages,
    completes: bool,
    /// Whether every caller may see all prompts.
    is_public: bool,
}

impl PromptRegistry {
    /// Creates a builder without prompts.
    pub fn builder() -> PromptRegistryBuilder {
        PromptRegistryBuilder {
            state: (),
            prompts: Vec::new(),
            rule: None,
            page_size: None,
            cache: CacheHint::default(),
        }
    }
}

impl fmt::Debug for PromptRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.by_name.keys()).finish()
    }
}

impl Registry for PromptRegistry {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities {
            prompts: Offer::Fixed,
            completions: self.0.completes,
            ..ServerCapabilities::default()
        }
    }

    fn has(&self, item: Item<'_>) -> Has {
        matches!(item, Item::Prompt(name) if self.0.by_name.contains_key(name)).into()
    }

    fn tags(&self, item: Item<'_>) -> Tags {
        let Item::Prompt(name) = item else { return Tags::default() };
        self.0.by_name.get(name).map(|prompt| prompt.rights.tags().clone()).unwrap_or_default()
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        let page = self.0.pages.page(request.cursor);
        if self.0.is_public {
            return Answer::ready(page);
        }
        let sees =
            |name: &str| self.0.by_name.get(name).is_some_and(|prompt| prompt.rights.list(request.head));
        Answer::ready(page.map(|page| page.visible(ItemKind::Prompts.key(), sees)))
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        match self.0.by_name.get(call.target()) {
            Some(prompt) => prompt.call(call),
            None => CallFuture::refused(RpcError::unknown_prompt(call.target())),
        }
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let prompt = match request.reference {
            Reference::Prompt(name) => {
                self.0.by_name.get(name).filter(|prompt| prompt.rights.permit(request.head))
            }
            Reference::Resource(_) => None,
        };
        match prompt {
            Some(prompt) => prompt.completers.complete(&request),
            None => Answer::ready(Err(unknown_reference(request.reference))),
        }
    }
}

/// Builds a [`PromptRegistry`]; created by [`PromptRegistry::builder`].
///
/// `S` is the state of the handlers that are added next; see [`with_state`](Self::with_state).
#[must_use]
pub struct PromptRegistryBuilder<S = ()> {
    state: S,
    prompts: Vec<Prompt>,
    rule: Option<TagRule>,
    page_size: Option<NonZeroUsize>,
    cache: CacheHint,
}

impl<S> fmt::Debug for PromptRegistryBuilder<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PromptRegistryBuilder")
            .field("prompts", &self.prompts)
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> PromptRegistryBuilder<S> {
    /// Sets the state of the handlers that are added from here on; see
    /// [`ToolRegistryBuilder::with_state`](crate::registry::ToolRegistryBuilder::with_state).
    pub fn with_state<Other>(self, state: Other) -> PromptRegistryBuilder<Other> {
        PromptRegistryBuilder {
            state,
            prompts: self.prompts,
            rule: self.rule,
            page_size: self.page_size,
            cache: self.cache,
        }
    }

    /// Adds a prompt whose arguments are derived from the type that its handler takes. To set more
    /// than a name and a description, see [`Prompt::new`].
    #[cfg(feature = "schemas")]
    pub fn prompt<M, H>(self, name: impl Into<String>, description: impl Into<String>, handler: H) -> Self
    where
        // The compiler shows these comments where a bound is not met.
        M: TypedArguments,              // needs `#[derive(serde::Deserialize, schemars::JsonSchema)]`
        H: Clone, // each call clones a closure: put an `Arc` around captures that are not `Clone`
        H: Handler<M, S, PromptOutput>, // a closure owns what it captures: `async move |…| …`
    {
        self.register(Prompt::new(name, description, handler))
    }

    /// Adds a prompt. Lists keep the order in which prompts were added.
    pub fn register(mut self, prompt: Prompt<S>) -> Self {
        self.prompts.push(prompt.with_state(self.state.clone()));
        self
    }

    /// Adds the prompts of another builder. They keep their state and the rule of its
    /// [`visible_by_tags`](Self::visible_by_tags), in addition to the rule of this builder. The
    /// page size and the cache hint are those of this builder.
    pub fn merge<Other>(mut self, other: PromptRegistryBuilder<Other>) -> Self {
        self.prompts.extend(other.prompts.into_iter().map(|mut prompt| {
            prompt.rights.add_rule(other.rule.as_ref());
            prompt
        }));
        self
    }

    rule_setter!();

    /// Sets the number of prompts on each page of the list. By default the list has one page,
    /// because not every client asks for a second.
    pub fn page_size(mut self, prompts: NonZeroUsize) -> Self {
        self.page_size = Some(prompts);
        self
    }

    /// Sets how long, and for whom, clients may cache the list. By default they may not.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Checks the prompts and builds the registry.
    ///
    /// # Errors
    /// Returns an error, which names the prompt, if a name is empty or used twice, or if arguments are not
    /// valid.
    pub fn build(self) -> Result<PromptRegistry, RegistryError> {
        let compile = |mut prompt: Prompt| {
            prompt.rights.add_rule(self.rule.as_ref());
            prompt.compile()
        };
        let prompts = self.prompts.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let definitions: Vec<_> = prompts.iter().map(|it| (&*it.name, it.definition.as_slice())).collect();
        let pages = Pages::new(&definitions, self.page_size, self.cache);
        let completes = prompts.iter().any(|prompt| !prompt.completers.is_empty());
        let is_public = prompts.iter().all(|prompt| prompt.rights.are_public());
        let mut by_name = ByName::with_capacity_and_hasher(prompts.len(), BuildHasherDefault::default());
        for prompt in prompts {
            if let Some(twin) = by_name.insert(Arc::clone(&prompt.name), prompt) {
                return Err(RegistryError::new("prompt", &twin.name, "the name is taken by another prompt"));
            }
        }
        Ok(PromptRegistry(Arc::new(Prompts { by_name, pages, completes, is_public })))
    }
}
