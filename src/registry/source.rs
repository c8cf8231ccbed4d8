//! Anyone's own source of tools, prompts and resources.

use std::sync::Arc;

use http::request::Parts;

use super::{Answer, Has, Item, Layered, Middleware, Page};
use crate::call::{Call, CallFuture};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest, unknown_reference};
use crate::jsonrpc::RpcError;
use crate::prompt::PromptOutput;
use crate::protocol::{Revision, ServerCapabilities};
use crate::resource::ResourceOutput;
use crate::tool::ToolOutput;

/// Where the tools, prompts and resources of a request come from.
///
/// Most servers need no more than a [`ToolRegistry`](crate::ToolRegistry), a
/// [`PromptRegistry`](crate::PromptRegistry) and a
/// [`ResourceRegistry`](crate::ResourceRegistry), joined by a [`Catalog`](crate::Catalog).
/// What lives elsewhere, in a database or behind another server, implements this: what it
/// declares by [`capabilities`](Self::capabilities), for nothing else is asked of it.
///
/// A registry is shared by all requests and must not remember one from another.
///
/// ```
/// use mcp_stateless::call::{Call, CallFuture};
/// use mcp_stateless::protocol::{RpcError, ServerCapabilities};
/// use mcp_stateless::registry::{Answer, ListRequest, Page};
/// use mcp_stateless::{Registry, ToolOutput};
/// use serde_json::json;
///
/// struct Greeter;
///
/// impl Registry for Greeter {
///     fn capabilities(&self) -> ServerCapabilities {
///         ServerCapabilities::TOOLS
///     }
///
///     fn list_tools(&self, _: ListRequest<'_>) -> Answer<'_, Page> {
///         let greet = json!({"name": "greet", "inputSchema": {"type": "object"}});
///         Answer::ready(Page::new([greet]).map_err(|_| RpcError::internal()))
///     }
///
///     fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
///         match call.target() {
///             "greet" => CallFuture::new(async { "Hello" }),
///             other => CallFuture::refused(RpcError::unknown_tool(other)),
///         }
///     }
/// }
/// ```
///
/// Lists are given in an order that stays the same. Answers may borrow from the registry,
/// but not from the request, whose body is gone by then; the future of a call owns what it
/// needs of either. A cursor that the registry did not give out is answered by
/// [`RpcError::unknown_cursor`](crate::protocol::RpcError::unknown_cursor).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a registry",
    note = "a registry is a `ToolRegistry`, a `PromptRegistry`, a `ResourceRegistry`, a `Catalog` of several, a type of \
            your own that implements `Registry`, or an `Arc` of one; a builder becomes one by `.build()?`"
)]
pub trait Registry: Send + Sync {
    /// What the registry can serve.
    fn capabilities(&self) -> ServerCapabilities;

    /// Returns whether the registry has `item`: how a [`Catalog`](crate::Catalog) finds the
    /// part that it hands a call to. By default [`Has::Maybe`], which gets a call that no
    /// other part is known to have.
    ///
    /// It is only asked about the kinds of items that [`capabilities`](Self::capabilities)
    /// declares, once for each call, and must not wait.
    fn has(&self, item: Item<'_>) -> Has {
        let _ = item;
        Has::Maybe
    }

    /// A page of the definitions of the tools.
    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// Calls a tool.
    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        CallFuture::refused(RpcError::unknown_tool(call.target()))
    }

    /// A page of the definitions of the prompts.
    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// Gets a prompt.
    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        CallFuture::refused(RpcError::unknown_prompt(call.target()))
    }

    /// A page of the definitions of the resources.
    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// A page of the definitions of the resource templates.
    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// Reads a resource.
    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        CallFuture::refused(RpcError::resource_not_found(call.as_written()))
    }

    /// Completes an argument of a prompt or a resource template.
    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        Answer::ready(Err(unknown_reference(request.reference)))
    }

    /// Where the registry says that something has changed, if it declares that it does.
    fn changes(&self) -> Changes {
        Changes::none()
    }

    /// Returns whether the caller may hear of changes of this resource, which need not be
    /// there yet. By default every caller may.
    ///
    /// It is asked when a client begins to listen, with the canonical form of the URI. What is
    /// to be asked again for each change belongs in [`Changes::only_if`].
    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        let _ = (uri, head);
        true
    }

    /// Puts a middleware around the calls of the registry; see [`Middleware`].
    fn layer<M: Middleware>(self, middleware: M) -> Layered<Self, M>
    where
        Self: Sized,
    {
        Layered::new(self, middleware)
    }
}

/// A list of nothing has one page.
fn empty_list(request: ListRequest<'_>) -> Answer<'static, Page> {
    Answer::ready(match request.cursor {
        None => Ok(Page::default()),
        Some(_) => Err(RpcError::unknown_cursor()),
    })
}

/// A request for a list that has passed the manager's checks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListRequest<'a> {
    /// Where the page begins; `None` for the first.
    pub cursor: Option<&'a str>,
    /// The head of the HTTP request.
    pub head: &'a Parts,
    /// The revision of the protocol that the request speaks.
    pub revision: Revision,
}

/// A request for a list that outlives the request's body.
pub(crate) struct OwnedListRequest {
    cursor: Option<String>,
    head: Parts,
    revision: Revision,
}

impl ListRequest<'_> {
    pub(crate) fn to_owned(self) -> OwnedListRequest {
        let cursor = self.cursor.map(str::to_owned);
        OwnedListRequest { cursor, head: self.head.clone(), revision: self.revision }
    }
}

impl OwnedListRequest {
    pub(crate) fn borrow(&self) -> ListRequest<'_> {
        ListRequest { cursor: self.cursor.as_deref(), head: &self.head, revision: self.revision }
    }
}

macro_rules! registry_behind {
    ($($pointer:ty),*) => {$(
        impl<R: Registry + ?Sized> Registry for $pointer {
            fn capabilities(&self) -> ServerCapabilities {
                (**self).capabilities()
            }

            fn has(&self, item: Item<'_>) -> Has {
                (**self).has(item)
            }

            fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
                (**self).list_tools(request)
            }

            fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
                (**self).call_tool(call)
            }

            fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
                (**self).list_prompts(request)
            }

            fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
                (**self).get_prompt(call)
            }

            fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
                (**self).list_resources(request)
            }

            fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
                (**self).list_resource_templates(request)
            }

            fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
                (**self).read_resource(call)
            }

            fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
                (**self).complete(request)
            }

            fn changes(&self) -> Changes {
                (**self).changes()
            }

            fn may_watch(&self, uri: &str, head: &Parts) -> bool {
                (**self).may_watch(uri, head)
            }
        }
    )*};
}

registry_behind!(&R, Box<R>, Arc<R>);
