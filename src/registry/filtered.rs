//! A registry that shows each caller a part of another.

use std::fmt;

use http::request::Parts;

use super::{Answer, Has, Item, Kind, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::prompt::PromptOutput;
use crate::protocol::ServerCapabilities;
use crate::resource::ResourceOutput;
use crate::rpc::RpcError;
use crate::tool::ToolOutput;

/// A registry that shows each caller what a function of the request's head lets it see:
/// the rest is neither listed nor called, and a call of it is answered as if it did not
/// exist. Lists and the contents of resources are private, for the next caller may see
/// others.
///
/// ```
/// use http::request::Parts;
/// use mcp_stateless::{Filtered, Item, ToolRegistry};
///
/// let tools = ToolRegistry::builder()
///     .tool("read", "Read", async || "…")
///     .tool("admin_reset", "Reset", async || "done")
///     .build()?;
/// let tools = Filtered::new(tools, |item: Item<'_>, head: &Parts| match item {
///     Item::Tool(name) if name.starts_with("admin_") => head.headers.contains_key("x-admin"),
///     _ => true,
/// });
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct Filtered<R, F> {
    registry: R,
    sees: F,
}

impl<R, F> Filtered<R, F>
where
    R: Registry,
    F: Fn(Item<'_>, &Parts) -> bool + Clone + Send + Sync,
{
    /// Shows of `registry` what `sees` lets a caller see. A resource that is read is
    /// judged by its URI, a template that is listed or completed by its pattern.
    pub fn new(registry: R, sees: F) -> Self {
        Self { registry, sees }
    }

    /// A list without what the caller does not see.
    fn list(&self, kind: Kind, request: ListRequest<'_>) -> Answer<'_, Page> {
        let sees = self.sees.clone();
        let head = request.head.clone();
        kind.list(&self.registry, request).map(move |page| {
            let page = page.map(|buffer, definition| {
                let name = definition.string_member(kind.key());
                if name.is_some_and(|name| sees(kind.item(&name), &head)) {
                    buffer.extend_from_slice(definition.text().as_bytes());
                }
            });
            page.private()
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
    F: Fn(Item<'_>, &Parts) -> bool + Clone + Send + Sync,
{
    fn capabilities(&self) -> ServerCapabilities {
        self.registry.capabilities()
    }

    fn has(&self, item: Item<'_>) -> Has {
        self.registry.has(item)
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(Kind::Tools, request)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        if (self.sees)(Item::Tool(call.target()), call.head()) {
            self.registry.call_tool(call)
        } else {
            CallFuture::refused(RpcError::unknown_tool(call.target()))
        }
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(Kind::Prompts, request)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        if (self.sees)(Item::Prompt(call.target()), call.head()) {
            self.registry.get_prompt(call)
        } else {
            CallFuture::refused(RpcError::unknown_prompt(call.target()))
        }
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(Kind::Resources, request)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(Kind::Templates, request)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        if (self.sees)(Item::Resource(call.target()), call.head()) {
            self.registry.read_resource(call).map(ResourceOutput::private)
        } else {
            CallFuture::refused(RpcError::resource_not_found(call.target()))
        }
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let item = match request.reference {
            Reference::Prompt(name) => Item::Prompt(name),
            Reference::Resource(template) => Item::ResourceTemplate(template),
        };
        if (self.sees)(item, request.head) {
            self.registry.complete(request)
        } else {
            Answer::ready(Err(unknown_reference(request.reference)))
        }
    }

    fn changes(&self) -> Changes {
        self.registry.changes()
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        (self.sees)(Item::Resource(uri), head) && self.registry.may_watch(uri, head)
    }
}
