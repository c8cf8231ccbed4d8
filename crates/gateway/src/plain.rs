//! One server selected by a client, which may use names with or without prefix.

use std::sync::Arc;

use axum::http::request::Parts;
use mcp_stateless::call::{Call, CallFuture};
use mcp_stateless::changes::Changes;
use mcp_stateless::completion::{Completion, CompletionRequest, Reference};
use mcp_stateless::prompt::PromptOutput;
use mcp_stateless::protocol::ServerCapabilities;
use mcp_stateless::registry::{Answer, Has, Item, ListRequest, Page};
use mcp_stateless::resource::ResourceOutput;
use mcp_stateless::{Registry, ToolOutput};

/// A registry whose tools and prompts may also be called with their prefix. Lists show the names
/// without it.
pub(crate) struct Plain {
    /// Includes the separator.
    pub(crate) prefix: String,
    pub(crate) registry: Arc<dyn Registry>,
}

impl Plain {
    /// Returns the registry's own name for `name`.
    fn own<'n>(&self, name: &'n str, item: fn(&'n str) -> Item<'n>) -> &'n str {
        match name.strip_prefix(&self.prefix) {
            Some(own) if self.registry.has(item(name)) != Has::Yes => own,
            _ => name,
        }
    }
}

impl Registry for Plain {
    fn capabilities(&self) -> ServerCapabilities {
        self.registry.capabilities()
    }

    fn has(&self, item: Item<'_>) -> Has {
        match item {
            Item::Tool(name) => self.registry.has(Item::Tool(self.own(name, Item::Tool))),
            Item::Prompt(name) => self.registry.has(Item::Prompt(self.own(name, Item::Prompt))),
            other => self.registry.has(other),
        }
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_tools(request)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        let own = self.own(call.target(), Item::Tool);
        self.registry.call_tool(call.with_target(own))
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_prompts(request)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        let own = self.own(call.target(), Item::Prompt);
        self.registry.get_prompt(call.with_target(own))
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_resources(request)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_resource_templates(request)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        self.registry.read_resource(call)
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let mut request = request;
        if let Reference::Prompt(name) = request.reference {
            request.reference = Reference::Prompt(self.own(name, Item::Prompt));
        }
        self.registry.complete(request)
    }

    fn changes(&self) -> Changes {
        self.registry.changes()
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        self.registry.may_watch(uri, head)
    }
}
