//! A registry that shows each caller a part of another registry.

use std::fmt;

use http::request::Parts;

use super::{Answer, Has, Item, ItemKind, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture, Tags};
use crate::changes::{Change, Changes};
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::jsonrpc::RpcError;
use crate::prompt::PromptOutput;
use crate::protocol::ServerCapabilities;
use crate::resource::{ResourceOutput, uri};
use crate::tool::ToolOutput;

/// A registry that shows each caller the items that a function of the request's head allows.
///
/// Other items are neither listed nor callable: a call is answered as if the item did not exist.
/// Lists and resource contents are private, because other callers may see other items.
///
/// Write the function so that it names what is visible and refuses everything else. Tools that you
/// add later, and kinds of items that later versions of this crate add, are then hidden by default.
/// Base the decision on what your middleware puts into the request's extensions, not on a header
/// that any client can send.
///
/// ```
/// use http::request::Parts;
/// use mcp_stateless::registry::{Filtered, Item};
/// use mcp_stateless::ToolRegistry;
///
/// /// Left in the request's extensions by the authentication.
/// #[derive(Clone)]
/// struct User { is_admin: bool }
///
/// let tools = ToolRegistry::builder()
///     .tool("read", "Read", async || "…")
///     .tool("reset", "Reset", async || "done")
///     .build()?;
/// let tools = Filtered::new(tools, |item: Item<'_>, head: &Parts| match item {
///     Item::Tool("read") => true,
///     Item::Tool("reset") => head.extensions.get::<User>().is_some_and(|user| user.is_admin),
///     _ => false,
/// });
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// To decide by the [`Tags`] of an item, query a clone of the registry within the function:
/// `tools.tags(item).has("admin")`.
///
/// # Spellings
///
/// Names of tools and prompts are compared byte by byte. A URI can be spelt in many ways, so the
/// function is called for each spelling that differs: as the client wrote it, in canonical form
/// (RFC 3986, section 6.2.2), and fully decoded with slashes merged, both with and without dot
/// segments resolved in everything after the scheme. The caller sees the resource only if the
/// function allows all of them. If the function refuses everything that starts with
/// `file:///private/`, then `file:///%70rivate/1`, `file:///private%2F1` and `file:////private/1`
/// are refused as well. A resource whose URI has an encoded slash is visible only if the function
/// also allows the URI with a plain slash.
#[derive(Clone)]
pub struct Filtered<R, F> {
    registry: R,
    sees: F,
}

impl<R, F> Filtered<R, F>
where
    R: Registry,
    F: Fn(Item<'_>, &Parts) -> bool + Clone + Send + Sync + 'static,
{
    /// Shows the items of `registry` that `sees` allows. Reading a resource is checked by its URI,
    /// listing or completing a template by its pattern.
    ///
    /// `sees` is called for each request, and for each change that is delivered to a listening
    /// client, so revoking a right takes effect at once. It must not block.
    pub fn new(registry: R, sees: F) -> Self {
        Self { registry, sees }
    }

    fn sees(&self, item: Item<'_>, head: &Parts) -> bool {
        sees_every_spelling(&self.sees, item, head)
    }

    /// Returns a list without the items that the caller must not see.
    fn list(&self, kind: ItemKind, request: ListRequest<'_>) -> Answer<'_, Page> {
        let sees = self.sees.clone();
        let head = request.head.clone();
        kind.list(&self.registry, request).map(move |page| {
            page.visible(kind.key(), |name| sees_every_spelling(&sees, kind.item(name), &head))
        })
    }
}

impl<R: fmt::Debug, F> fmt::Debug for Filtered<R, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Filtered").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl<R, F> Registry for Filtered<R, F>
where
    R: Registry,
    F: Fn(Item<'_>, &Parts) -> bool + Clone + Send + Sync + 'static,
{
    fn capabilities(&self) -> ServerCapabilities {
        self.registry.capabilities()
    }

    fn has(&self, item: Item<'_>) -> Has {
        self.registry.has(item)
    }

    fn tags(&self, item: Item<'_>) -> Tags {
        self.registry.tags(item)
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Tools, request)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        if self.sees(Item::Tool(call.target()), call.head()) {
            self.registry.call_tool(call)
        } else {
            CallFuture::refused(RpcError::unknown_tool(call.target()))
        }
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Prompts, request)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        if self.sees(Item::Prompt(call.target()), call.head()) {
            self.registry.get_prompt(call)
        } else {
            CallFuture::refused(RpcError::unknown_prompt(call.target()))
        }
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Resources, request)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Templates, request)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        if self.sees(Item::Resource(call.as_written()), call.head()) {
            self.registry.read_resource(call).map(ResourceOutput::private)
        } else {
            CallFuture::refused(RpcError::resource_not_found(call.as_written()))
        }
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let item = match request.reference {
            Reference::Prompt(name) => Item::Prompt(name),
            Reference::Resource(template) => Item::ResourceTemplate(template),
        };
        if self.sees(item, request.head) {
            self.registry.complete(request)
        } else {
            Answer::ready(Err(unknown_reference(request.reference)))
        }
    }

    fn changes(&self) -> Changes {
        let sees = self.sees.clone();
        self.registry.changes().only_if(move |change, head| match change {
            Change::Resource(uri) => sees_every_spelling(&sees, Item::Resource(uri), head),
            Change::Tools | Change::Prompts | Change::Resources => true,
        })
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        self.sees(Item::Resource(uri), head) && self.registry.may_watch(uri, head)
    }
}

/// Whether `sees` allows every spelling of an item.
fn sees_every_spelling(sees: impl Fn(Item<'_>, &Parts) -> bool, item: Item<'_>, head: &Parts) -> bool {
    let (text, kind) = match item {
        Item::Tool(_) | Item::Prompt(_) => return sees(item, head),
        Item::Resource(uri) => (uri, ItemKind::Resources),
        Item::ResourceTemplate(template) => (template, ItemKind::Templates),
    };
    let sees_as_read = |text: &str| {
        let others = [uri::fully_decoded(text), uri::as_path(text)];
        sees(kind.item(text), head) && others.into_iter().flatten().all(|other| sees(kind.item(&other), head))
    };
    let canonical = uri::canonical(text);
    sees_as_read(text) && (canonical == text || sees_as_read(&canonical))
}
