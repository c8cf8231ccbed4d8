//! The trait of all sources of tools, prompts and resources.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::{Answer, Has, Item, Layered, Middleware, Page};
use crate::call::{Call, CallFuture, Tags};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest, unknown_reference};
use crate::jsonrpc::RpcError;
use crate::prompt::PromptOutput;
use crate::protocol::{Revision, ServerCapabilities};
use crate::resource::ResourceOutput;
use crate::settings::Settings;
use crate::tool::ToolOutput;

/// A source of tools, prompts and resources.
///
/// Most servers only need a [`ToolRegistry`](crate::ToolRegistry), a
/// [`PromptRegistry`](crate::PromptRegistry) and a [`ResourceRegistry`](crate::ResourceRegistry),
/// joined by a [`Catalog`](crate::Catalog). For resources that come from data, see
/// [`ResourceCollection`](crate::resource::ResourceCollection). Implement this trait for items that
/// live elsewhere, for example in another server. Only the methods of the declared
/// [`capabilities`](Self::capabilities) are called.
///
/// All requests share a registry, so it must not carry state from one request to another.
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
/// Lists must have a stable order. Answers may borrow from the registry, but not from the request,
/// whose body is dropped earlier. The future of a call owns everything that it needs. For an
/// unknown cursor, return [`RpcError::unknown_cursor`](crate::protocol::RpcError::unknown_cursor).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a registry",
    note = "a registry is a `ToolRegistry`, a `PromptRegistry`, a `ResourceRegistry`, a `Catalog` of several, a type of \
            your own that implements `Registry`, or an `Arc` of one; a builder becomes one by `.build()?`"
)]
pub trait Registry: Send + Sync {
    /// Returns what the registry offers.
    fn capabilities(&self) -> ServerCapabilities;

    /// Returns whether the registry has `item`, which a [`Catalog`](crate::Catalog) uses to route
    /// calls. The default is [`Has::Maybe`], which receives calls that no other part claims.
    ///
    /// It is called once for each call, only for kinds of items that
    /// [`capabilities`](Self::capabilities) declares, and must not block.
    fn has(&self, item: Item<'_>) -> Has {
        let _ = item;
        Has::Maybe
    }

    /// Returns the tags of `item`, for middleware; see [`Tags`]. By default there are none. It is
    /// called before each call that goes through a middleware, and must not block.
    fn tags(&self, item: Item<'_>) -> Tags {
        let _ = item;
        Tags::default()
    }

    /// Returns a page of the tools' definitions.
    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// Calls a tool.
    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        CallFuture::refused(RpcError::unknown_tool(call.target()))
    }

    /// Returns a page of the prompts' definitions.
    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// Gets a prompt.
    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        CallFuture::refused(RpcError::unknown_prompt(call.target()))
    }

    /// Returns a page of the resources' definitions.
    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        empty_list(request)
    }

    /// Returns a page of the resource templates' definitions.
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

    /// Returns the channel on which the registry publishes changes, if it declares that it changes.
    fn changes(&self) -> Changes {
        Changes::none()
    }

    /// Returns whether the caller may receive changes of this resource, which need not exist yet.
    /// By default every caller may.
    ///
    /// It is called when a client starts to listen, with the URI in canonical form. Checks that
    /// have to be repeated for each change belong in [`Changes::only_if`].
    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        let _ = (uri, head);
        true
    }

    /// Adds a middleware around the calls of the registry; see [`Middleware`].
    fn layer<M: Middleware>(self, middleware: M) -> Layered<Self, M>
    where
        Self: Sized,
    {
        Layered::new(self, middleware)
    }
}

/// The list of an empty registry has one page.
fn empty_list(request: ListRequest<'_>) -> Answer<'static, Page> {
    Answer::ready(match request.cursor {
        None => Ok(Page::default()),
        Some(_) => Err(RpcError::unknown_cursor()),
    })
}

/// A request for a list that has passed the manager's checks.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ListRequest<'a> {
    /// The position of the page; `None` for the first.
    pub cursor: Option<&'a str>,
    /// The head of the HTTP request.
    pub head: &'a Parts,
    /// The revision of the protocol that the request uses.
    pub revision: Revision,
    /// `None` only while a catalog checks its parts before a manager exists.
    pub(crate) settings: Option<&'a Arc<Settings>>,
}

impl fmt::Debug for ListRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ListRequest")
            .field("cursor", &self.cursor)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// A request for a list that owns its data.
pub(crate) struct OwnedListRequest {
    cursor: Option<String>,
    head: Parts,
    revision: Revision,
    settings: Option<Arc<Settings>>,
}

impl ListRequest<'_> {
    pub(crate) fn to_owned(self) -> OwnedListRequest {
        let cursor = self.cursor.map(str::to_owned);
        let settings = self.settings.cloned();
        OwnedListRequest { cursor, head: self.head.clone(), revision: self.revision, settings }
    }
}

impl OwnedListRequest {
    pub(crate) fn borrow(&self) -> ListRequest<'_> {
        ListRequest {
            cursor: self.cursor.as_deref(),
            head: &self.head,
            revision: self.revision,
            settings: self.settings.as_ref(),
        }
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

            fn tags(&self, item: Item<'_>) -> Tags {
                (**self).tags(item)
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
