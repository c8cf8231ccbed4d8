//! Several registries as one.

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;

use super::page::foreign_cursor;
use super::part::Part;
use super::{Answer, Item, Kind, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::error::RegistryError;
use crate::prompt::PromptOutput;
use crate::protocol::{CacheHint, ServerCapabilities};
use crate::resource::ResourceOutput;
use crate::rpc::{ErrorCode, RpcError};
use crate::tool::ToolOutput;

/// How long one registry may take to list what it has, when others have lists as well.
const PART_LIMIT: Duration = Duration::from_secs(15);

/// What stands between a prefix and the name that it is put before.
const SEPARATOR: char = '-';

/// Several registries as one: tools, prompts and resources, those of several servers, or
/// both. A call goes to the first registry that has what is called. Clones share them.
///
/// ```
/// use mcp_stateless::{Catalog, PromptRegistry, ToolRegistry};
///
/// let tools = ToolRegistry::builder().tool("greet", "Say hello", async || "Hello").build()?;
/// let prompts = PromptRegistry::builder().prompt("greet", "Say hello", async || "Say hello.").build()?;
/// let catalog = Catalog::builder().add(tools).add(prompts).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct Catalog(Arc<[Part]>);

/// Collects registries; made by [`Catalog::builder`].
#[derive(Default)]
#[must_use]
pub struct CatalogBuilder(Vec<Part>);

impl fmt::Debug for CatalogBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|part| &part.prefix)).finish()
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|part| &part.prefix)).finish()
    }
}

impl Catalog {
    /// Begins an empty catalog.
    pub fn builder() -> CatalogBuilder {
        CatalogBuilder::default()
    }
}

impl CatalogBuilder {
    /// Adds a registry under the names of its own.
    #[expect(clippy::should_implement_trait, reason = "nobody takes it for a sum")]
    pub fn add(mut self, registry: impl Registry + 'static) -> Self {
        self.0.push(Part { prefix: None, registry: Box::new(registry) });
        self
    }

    /// Adds a registry whose tools and prompts are named `{prefix}-{name}`. Its resources
    /// keep their URIs.
    pub fn add_prefixed(mut self, prefix: impl fmt::Display, registry: impl Registry + 'static) -> Self {
        let prefix = Some(format!("{prefix}{SEPARATOR}"));
        self.0.push(Part { prefix, registry: Box::new(registry) });
        self
    }

    /// Builds the catalog.
    ///
    /// # Errors
    /// When two registries have tools or prompts of the same name, or resources of the same
    /// URI. A registry that does not know its list at once cannot be asked here: of equals
    /// that come up later, the first registry's is listed and called.
    pub fn build(self) -> Result<Catalog, RegistryError> {
        for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
            let mut taken = HashSet::new();
            for part in &self.0 {
                let mut own = HashSet::new();
                part.names_now(kind, |name| {
                    own.insert(name);
                });
                if let Some(twin) = own.iter().find(|name| taken.contains(*name)) {
                    return Err(RegistryError::new(
                        kind.noun(),
                        twin,
                        "two registries of the catalog have it",
                    ));
                }
                taken.extend(own);
            }
        }
        Ok(Catalog(self.0.into()))
    }
}

impl Catalog {
    fn list(&self, request: ListRequest<'_>, kind: Kind) -> Answer<'_, Page> {
        let mut offering = self.0.iter().filter(|part| part.offers(kind));
        match (offering.next(), offering.next()) {
            // The page is passed on as it is.
            (Some(part), None) if part.prefix.is_none() || !kind.has_names() => part.ask(kind, request),
            _ => {
                let owned = request.to_owned();
                Answer::later(async move { self.merge(owned.borrow(), kind).await })
            }
        }
    }

    /// The lists of all registries one after the other, up to the first that goes on on
    /// another page. All are asked at once, so that the slow ones do not add up.
    async fn merge(&self, request: ListRequest<'_>, kind: Kind) -> Result<Page, RpcError> {
        let (start, inner) = match request.cursor {
            None => (0, None),
            Some(cursor) => {
                let of_part = |(index, _): &(usize, _)| self.0.get(*index).is_some_and(|it| it.offers(kind));
                read_cursor(cursor).filter(of_part).ok_or_else(foreign_cursor)?
            }
        };
        let mut merged = Page::default();
        let mut definitions = Vec::new();
        let mut seen = HashSet::new();
        let mut hint = None;
        let mut is_any_there = false;
        let parts = self.0.iter().enumerate().skip(start).filter(|(_, part)| part.offers(kind));
        let parts: Vec<_> = parts.collect();
        let asked = parts.iter().map(|(index, part)| {
            let cursor = inner.as_deref().filter(|_| *index == start);
            part.ask(kind, ListRequest { cursor, ..request }).within(Some(PART_LIMIT))
        });
        let pages = all(asked.collect()).await;
        for ((index, part), page) in parts.into_iter().zip(pages) {
            let page = match page {
                Ok(page) => page,
                Err(error)
                    if inner.is_some() && index == start && error.code() == ErrorCode::INVALID_PARAMS =>
                {
                    return Err(error);
                }
                // One that is down does not take the others with it.
                Err(error) => {
                    tracing::warn!(%error, prefix = part.prefix, kind = kind.noun(), "a list of the catalog is missing");
                    hint = Some(CacheHint::default());
                    continue;
                }
            };
            is_any_there = true;
            page.each(|definition| {
                let Some(name) = part.name_of(definition, kind) else { return };
                if seen.contains(&name) {
                    tracing::warn!(name, kind = kind.noun(), "two registries of the catalog have it");
                    return;
                }
                if !definitions.is_empty() {
                    definitions.push(b',');
                }
                part.write(&mut definitions, definition, &name, kind);
                seen.insert(name);
            });
            hint = Some(hint.map_or(page.cache, |hint| page.cache.narrowest(hint)));
            if let Some(next) = page.next_cursor {
                merged.next_cursor = Some(write_cursor(index, &next).into());
                break;
            }
        }
        if !is_any_there && hint.is_some() {
            return Err(RpcError::internal());
        }
        merged.definitions = definitions.into();
        merged.cache = hint.unwrap_or_default();
        // All pages of a list must have the same scope, and the others may have this one.
        let is_paged = request.cursor.is_some() || merged.next_cursor.is_some();
        Ok(if is_paged { merged.private() } else { merged })
    }

    /// The registry that has an item, and what it calls it there.
    fn find<'a>(&self, kind: Kind, name: &'a str) -> Option<(&dyn Registry, &'a str)> {
        self.0.iter().find_map(|part| {
            let own = if kind.has_names() { part.own(name)? } else { name };
            part.registry.has(kind.item(own)).then_some((&*part.registry, own))
        })
    }
}

/// Waits for all of them at once; the results are in the same order.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        let mut is_pending = false;
        for (future, outcome) in &mut futures {
            if outcome.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(ready) => *outcome = Some(ready),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

fn write_cursor(part: usize, inner: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{part}:{inner}"))
}

fn read_cursor(cursor: &str) -> Option<(usize, Option<String>)> {
    let cursor = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (part, inner) = cursor.split_once(':')?;
    Some((part.parse().ok()?, Some(inner.to_owned())))
}

impl Registry for Catalog {
    fn capabilities(&self) -> ServerCapabilities {
        let parts = self.0.iter().map(|part| part.registry.capabilities());
        parts.fold(ServerCapabilities::default(), ServerCapabilities::with)
    }

    fn has(&self, item: Item<'_>) -> bool {
        match item {
            Item::Tool(name) => self.find(Kind::Tools, name).is_some(),
            Item::Prompt(name) => self.find(Kind::Prompts, name).is_some(),
            Item::Resource(uri) => self.find(Kind::Resources, uri).is_some(),
            Item::ResourceTemplate(template) => self.find(Kind::Templates, template).is_some(),
        }
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Tools)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        match self.find(Kind::Tools, call.target()) {
            Some((registry, name)) => registry.call_tool(call.with_target(name)),
            None => CallFuture::refused(RpcError::unknown_tool(call.target())),
        }
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Prompts)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        match self.find(Kind::Prompts, call.target()) {
            Some((registry, name)) => registry.get_prompt(call.with_target(name)),
            None => CallFuture::refused(RpcError::unknown_prompt(call.target())),
        }
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Resources)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Templates)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        // Another server's list may spell it otherwise.
        let found = self.find(Kind::Resources, call.target());
        match found.or_else(|| self.find(Kind::Resources, call.as_written())) {
            Some((registry, _)) => registry.read_resource(call),
            None => CallFuture::refused(RpcError::resource_not_found(call.as_written())),
        }
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let found = match request.reference {
            Reference::Prompt(name) => {
                self.find(Kind::Prompts, name).map(|(registry, own)| (registry, Reference::Prompt(own)))
            }
            Reference::Resource(template) => {
                let found = self.find(Kind::Templates, template);
                found.map(|(registry, own)| (registry, Reference::Resource(own)))
            }
        };
        match found {
            Some((registry, reference)) => registry.complete(CompletionRequest { reference, ..request }),
            None => Answer::ready(Err(unknown_reference(request.reference))),
        }
    }

    fn changes(&self) -> Changes {
        Changes::all(self.0.iter().map(|part| part.registry.changes()))
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        match self.find(Kind::Resources, uri) {
            Some((registry, _)) => registry.may_watch(uri, head),
            // It may come up in any of those that have resources.
            None => {
                self.0.iter().any(|part| part.offers(Kind::Resources) && part.registry.may_watch(uri, head))
            }
        }
    }
}
