//! Joins several registries into one.

mod late;
mod merge;
mod part;
mod refresh;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;

use self::late::Callers;
use self::part::Part;
use self::refresh::Refreshes;
use super::{Answer, Has, Item, ItemKind, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture, Tags};
use crate::changes::{Changes, LocalBus};
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::error::RegistryError;
use crate::jsonrpc::RpcError;
use crate::prompt::PromptOutput;
use crate::protocol::ServerCapabilities;
use crate::resource::ResourceOutput;
use crate::tool::ToolOutput;

/// Separates a prefix from the name that it precedes.
const SEPARATOR: char = '-';

/// The topic on which the catalog announces that a part's list has arrived.
const TOPIC: &str = "catalog";

/// The maximum number of duplicate names that are stored as logged.
const MOST_SAID: usize = 1000;

/// Several registries joined into one: tools, prompts and resources, the registries of several
/// servers, or both. Clones share them.
///
/// ```
/// use mcp_stateless::{Catalog, PromptRegistry, ToolRegistry};
///
/// let tools = ToolRegistry::builder().tool("greet", "Say hello", async || "Hello").build()?;
/// let prompts = PromptRegistry::builder().prompt("greet", "Say hello", async || "Say hello.").build()?;
/// let catalog = Catalog::builder().add(tools).add(prompts).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// # Calls
/// A call goes to the first registry that [has](Registry::has) the item, otherwise to the first
/// that may have it. A registry whose [`capabilities`](Registry::capabilities) do not offer the
/// kind never gets the call.
///
/// # Lists
/// All registries are asked at the same time. Those that do not answer within a second, and those
/// that fail, are missing: their last known list is used instead, if there is one, and the result's
/// `_meta` has the member `mcp-stateless/missing`, an array of `{"name", "reason"}`. The name is
/// the prefix, or the position starting at 1. If no list is available at all, the request waits up
/// to 15 seconds and then fails.
///
/// A missing list is requested again in a separate task on the Tokio runtime, at intervals of 1 to 30
/// seconds until it arrives. The task also takes over the slow request. Listening clients are then notified
/// that the list has changed. There is at most one such task for each caller, and four for each list of a
/// registry. A task ends with the catalog, or when it has not succeeded for a minute and no client listens.
///
/// The latest version of a list that was not ready at once is kept: for everyone if it may be
/// [cached publicly](crate::protocol::CacheHint::public) or if callers [share their
/// lists](CatalogBuilder::share_lists), otherwise for the caller, identified by the request's
/// [`Principal`](crate::Principal) and its headers. A host that distinguishes callers by anything
/// else must set a `Principal`. Up to 64 callers and 8 MiB are kept for each list of a registry.
///
/// # Equal URIs
/// Resources keep their URIs, because these also occur in contents, links and templates, where a
/// prefix would not lead back to them. If two registries have the same URI, the first one's
/// resource is listed and read. The other one is reported in the member `mcp-stateless/hidden` of
/// the list's `_meta`, an array of `{"name", "item", "by"}`, and logged once. To reach it, also
/// serve its registry at a separate path. The same applies to names that become duplicates after
/// the catalog was built.
#[derive(Clone)]
pub struct Catalog(Arc<Shared>);

/// The state that clones of a catalog share.
struct Shared {
    parts: Arc<[Part]>,
    /// Below `changes`.
    bus: LocalBus,
    changes: Changes,
    callers: Callers,
    refreshes: Refreshes,
    /// The duplicate names that were logged.
    said: Mutex<HashSet<(ItemKind, String)>>,
}

impl Shared {
    fn said_once(&self, kind: ItemKind, name: &str, say: impl FnOnce()) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST_SAID && said.insert((kind, name.to_owned())) {
            say();
        }
    }
}

/// Collects registries; made by [`Catalog::builder`].
#[derive(Default)]
#[must_use]
pub struct CatalogBuilder {
    parts: Vec<Part>,
    share_lists: bool,
}

impl fmt::Debug for CatalogBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.parts.iter().map(|part| &part.name)).finish()
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.parts.iter().map(|part| &part.name)).finish()
    }
}

impl Catalog {
    /// Creates a builder without registries.
    pub fn builder() -> CatalogBuilder {
        CatalogBuilder::default()
    }
}

impl CatalogBuilder {
    /// Adds a registry whose tools and prompts keep their names.
    #[expect(clippy::should_implement_trait, reason = "nobody takes it for a sum")]
    pub fn add(mut self, registry: impl Registry + 'static) -> Self {
        let name = (self.parts.len() + 1).to_string();
        self.parts.push(Part::new(None, name, Box::new(registry)));
        self
    }

    /// Adds a registry whose tools and prompts are named `{prefix}-{name}`. Its resources keep
    /// their URIs.
    pub fn add_prefixed(mut self, prefix: impl fmt::Display, registry: impl Registry + 'static) -> Self {
        let name = prefix.to_string();
        self.parts.push(Part::new(Some(format!("{name}{SEPARATOR}")), name, Box::new(registry)));
        self
    }

    /// Allows the list of one caller to replace a missing list of another. Use it if the lists of
    /// the registries do not depend on the caller.
    pub fn share_lists(mut self) -> Self {
        self.share_lists = true;
        self
    }

    /// Builds the catalog.
    ///
    /// # Errors
    /// Returns an error if two registries have tools or prompts of the same name or resources of the same
    /// URI, or if the pages of a list form a cycle. Only lists that are ready at once are checked, and of
    /// each list only the first 1000 pages. Of duplicates that appear later, the first registry's item is
    /// listed and called.
    pub fn build(self) -> Result<Catalog, RegistryError> {
        for kind in ItemKind::ALL {
            let mut taken = HashSet::new();
            for part in &self.parts {
                let own = part.names_now(kind)?;
                let twin = own.iter().find(|name| taken.contains(*name));
                // The first of equal templates is used.
                if let Some(twin) = twin.filter(|_| kind != ItemKind::Templates) {
                    return Err(RegistryError::new(
                        kind.noun(),
                        twin,
                        "two registries of the catalog have the same item",
                    ));
                }
                taken.extend(own);
            }
        }
        let bus = LocalBus::default();
        let changes = Changes::over(Arc::new(bus.clone()), TOPIC);
        let callers = Callers::new(self.share_lists);
        let (parts, (refreshes, said)) = (self.parts.into(), Default::default());
        Ok(Catalog(Arc::new(Shared { parts, bus, changes, callers, refreshes, said })))
    }
}

impl Catalog {
    fn list(&self, request: ListRequest<'_>, kind: ItemKind) -> Answer<'_, Page> {
        let mut offering = self.0.parts.iter().filter(|part| part.offers(kind));
        match (offering.next(), offering.next()) {
            // The page is passed on unchanged.
            (Some(part), None)
                if !part.late(kind).is_late() && (part.prefix.is_none() || !kind.has_names()) =>
            {
                part.ask(kind, request)
            }
            _ => {
                let owned = request.to_owned();
                Answer::later(async move { self.0.merge(owned, kind).await })
            }
        }
    }

    /// Returns the part that a call goes to, and the part's name for the item: the first part that
    /// has it, otherwise the part with the longest prefix of those that may have it.
    fn find<'a>(&self, kind: ItemKind, name: &'a str) -> Option<(&Part, &'a str)> {
        self.find_among(kind, name, |_| true).map(|(part, own, _)| (part, own))
    }

    /// Does the same; if no part has the item, considers only the parts that `suits` accepts.
    fn find_among<'a>(
        &self,
        kind: ItemKind,
        name: &'a str,
        suits: impl Fn(&Part) -> bool,
    ) -> Option<(&Part, &'a str, Has)> {
        let mut maybe: Option<(&Part, &str, Has)> = None;
        for part in self.0.parts.iter() {
            let own = if kind.has_names() { part.own(name) } else { Some(name) };
            let Some(own) = own.filter(|_| part.offers(kind)) else { continue };
            match part.registry.has(kind.item(own)) {
                Has::Yes => return Some((part, own, Has::Yes)),
                // The longer the prefix, the shorter the rest of the name.
                Has::Maybe if maybe.is_none_or(|(_, other, _)| own.len() < other.len()) && suits(part) => {
                    maybe = Some((part, own, Has::Maybe));
                }
                Has::Maybe | Has::No => {}
            }
        }
        maybe
    }
}

/// Returns the kind of an item, and its name.
fn kind_of(item: Item<'_>) -> (ItemKind, &str) {
    match item {
        Item::Tool(name) => (ItemKind::Tools, name),
        Item::Prompt(name) => (ItemKind::Prompts, name),
        Item::Resource(uri) => (ItemKind::Resources, uri),
        Item::ResourceTemplate(template) => (ItemKind::Templates, template),
    }
}

impl Registry for Catalog {
    fn capabilities(&self) -> ServerCapabilities {
        let parts = self.0.parts.iter().map(Part::capabilities);
        parts.fold(ServerCapabilities::default(), ServerCapabilities::with)
    }

    fn has(&self, item: Item<'_>) -> Has {
        let (kind, name) = kind_of(item);
        self.find_among(kind, name, |_| true).map_or(Has::No, |(_, _, has)| has)
    }

    fn tags(&self, item: Item<'_>) -> Tags {
        let (kind, name) = kind_of(item);
        let found = self.find(kind, name);
        found.map(|(part, own)| part.registry.tags(kind.item(own))).unwrap_or_default()
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Tools)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        match self.find(ItemKind::Tools, call.target()) {
            Some((part, name)) => part.registry.call_tool(call.with_target(name)),
            None => CallFuture::refused(RpcError::unknown_tool(call.target())),
        }
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Prompts)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        match self.find(ItemKind::Prompts, call.target()) {
            Some((part, name)) => part.registry.get_prompt(call.with_target(name)),
            None => CallFuture::refused(RpcError::unknown_prompt(call.target())),
        }
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Resources)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Templates)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        let written = (call.as_written() != call.target()).then(|| call.as_written());
        let canonical = self.find_among(ItemKind::Resources, call.target(), |_| true);
        // The list of another server may spell it differently.
        let found = match (canonical, written) {
            (Some((part, uri, Has::Yes)), _) => Some((part, uri, Has::Yes)),
            (canonical, Some(written)) => {
                let found = self.find_among(ItemKind::Resources, written, |_| true);
                found.filter(|(_, _, has)| canonical.is_none() || *has == Has::Yes).or(canonical)
            }
            (canonical, None) => canonical,
        };
        match found {
            Some((part, _, _)) => part.registry.read_resource(call),
            None => CallFuture::refused(RpcError::resource_not_found(call.as_written())),
        }
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let (kind, name) = match request.reference {
            Reference::Prompt(name) => (ItemKind::Prompts, name),
            Reference::Resource(template) => (ItemKind::Templates, template),
        };
        let completes = |part: &Part| part.registry.capabilities().completions;
        match self.find_among(kind, name, completes) {
            Some((part, own, _)) if completes(part) => {
                let reference = match request.reference {
                    Reference::Prompt(_) => Reference::Prompt(own),
                    Reference::Resource(_) => Reference::Resource(own),
                };
                part.registry.complete(CompletionRequest { reference, ..request })
            }
            // It exists, and has no suggestions.
            Some(_) => Answer::ready(Ok(Completion::default())),
            None => Answer::ready(Err(unknown_reference(request.reference))),
        }
    }

    fn changes(&self) -> Changes {
        let parts = self.0.parts.iter();
        // A catalog without lists that may be missing publishes nothing itself.
        let own = parts.clone().any(Part::is_late).then(|| self.0.changes.clone());
        Changes::all(parts.map(|part| part.registry.changes()).chain(own))
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        match self.find(ItemKind::Resources, uri) {
            Some((part, _)) => part.registry.may_watch(uri, head),
            // It may appear in any part that has resources.
            None => self
                .0
                .parts
                .iter()
                .any(|part| part.offers(ItemKind::Resources) && part.registry.may_watch(uri, head)),
        }
    }
}
