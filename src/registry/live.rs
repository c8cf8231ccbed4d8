//! A registry that can be replaced while it serves.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::{Answer, Has, Item, ItemKind, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture, Tags};
use crate::cells::Replaceable;
use crate::changes::{Change, Changes, ReplaceableChanges};
use crate::completion::{Completion, CompletionRequest, unknown_reference};
use crate::prompt::PromptOutput;
use crate::protocol::{Offer, ServerCapabilities};
use crate::resource::ResourceOutput;
use crate::tool::ToolOutput;

/// A registry that can be replaced while it serves, and notifies listening clients. Clones share
/// the current registry.
///
/// ```
/// use mcp_stateless::changes::Changes;
/// use mcp_stateless::registry::Live;
/// use mcp_stateless::{RegistryError, ToolRegistry};
///
/// fn tools(greeting: &'static str) -> Result<ToolRegistry, RegistryError> {
///     ToolRegistry::builder().tool("greet", greeting, async || "Hello").build()
/// }
///
/// let live = Live::new(tools("Say hello")?, Changes::in_process());
/// live.replace(tools("Greet the user")?); // notifies clients that the list has changed
/// # Ok::<(), RegistryError>(())
/// ```
pub struct Live<R> {
    current: Arc<Replaceable<R>>,
    changes: Changes,
    /// The changes that the current registry publishes.
    of_current: ReplaceableChanges,
}

// Not derived, because a derive would require `R: Clone`.
impl<R> Clone for Live<R> {
    fn clone(&self) -> Self {
        let (current, changes) = (Arc::clone(&self.current), self.changes.clone());
        Self { current, changes, of_current: self.of_current.clone() }
    }
}

impl<R: fmt::Debug> fmt::Debug for Live<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Live").field("current", &**self.current.get()).finish_non_exhaustive()
    }
}

impl<R: Registry + 'static> Live<R> {
    /// Creates a live registry that serves `registry`.
    pub fn new(registry: R, changes: Changes) -> Self {
        let current = Arc::new(Replaceable::new(registry));
        let weak = Arc::downgrade(&current);
        let of_current = ReplaceableChanges::new(move || {
            weak.upgrade().map_or_else(Changes::none, |current| current.get().changes())
        });
        Self { current, changes, of_current }
    }

    /// Serves `registry` from now on, and publishes that its lists have changed. Listening clients
    /// then get the changes of the new registry. Calls in flight finish with the handlers that they
    /// started with.
    pub fn replace(&self, registry: R) {
        let offers = registry.capabilities();
        let before = self.current.replace(registry).capabilities();
        self.of_current.replaced();
        let offers = offers.with(before);
        for (offer, change) in [
            (offers.tools, Change::Tools),
            (offers.prompts, Change::Prompts),
            (offers.resources, Change::Resources),
        ] {
            if offer != Offer::Nothing {
                self.changes.publish(change);
            }
        }
    }

    /// Publishes that the contents of a resource have changed.
    pub fn resource_updated(&self, uri: &str) {
        self.changes.publish(Change::Resource(uri));
    }

    /// Returns the current registry.
    pub fn current(&self) -> Arc<R> {
        Arc::clone(&self.current.get())
    }

    fn list(&self, kind: ItemKind, request: ListRequest<'_>) -> Answer<'_, Page> {
        let current = self.current.get();
        if let Some(answer) = kind.list(&*current, request).now() {
            return Answer::ready(answer);
        }
        // The registry may have been replaced before it answers.
        let owned = request.to_owned();
        Answer::later(async move { kind.list(&*current, owned.borrow()).get().await })
    }
}

impl<R: Registry + 'static> Registry for Live<R> {
    fn capabilities(&self) -> ServerCapabilities {
        self.current.get().capabilities().changing()
    }

    fn has(&self, item: Item<'_>) -> Has {
        self.current.get().has(item)
    }

    fn tags(&self, item: Item<'_>) -> Tags {
        self.current.get().tags(item)
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Tools, request)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        self.current.get().call_tool(call)
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Prompts, request)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        self.current.get().get_prompt(call)
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Resources, request)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(ItemKind::Templates, request)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        self.current.get().read_resource(call)
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let current = self.current.get();
        if !current.capabilities().completions {
            return Answer::ready(Err(unknown_reference(request.reference)));
        }
        let owned = request.to_owned();
        Answer::later(async move { current.complete(owned.borrow()).get().await })
    }

    fn changes(&self) -> Changes {
        Changes::all([self.changes.clone(), self.of_current.changes()])
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        self.current.get().may_watch(uri, head)
    }
}
