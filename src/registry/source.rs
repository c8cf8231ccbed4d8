//! Anyone's own source of tools.

use std::sync::Arc;

use http::request::Parts;

use super::{Answer, ToolPage};
use crate::protocol::{Revision, ServerCapabilities};
use crate::tool::{ToolCall, ToolFuture};

/// Where the tools of a request come from.
///
/// Most servers need no more than a [`ToolRegistry`](crate::ToolRegistry). What
/// lives elsewhere, in a database or behind another server, implements this.
///
/// A registry is shared by all requests and must not remember one from another.
///
/// ```
/// use mcp_stateless::{
///     Answer, ListTools, Registry, RpcError, ToolCall, ToolFuture, ToolOutput, ToolPage,
/// };
/// use serde_json::json;
///
/// struct Greeter;
///
/// impl Registry for Greeter {
///     fn list_tools(&self, _: ListTools<'_>) -> Answer<'_, ToolPage> {
///         let greet = json!({"name": "greet", "inputSchema": {"type": "object"}});
///         Answer::ready(ToolPage::new([greet]).map_err(|_| RpcError::internal()))
///     }
///
///     fn call_tool(&self, call: ToolCall<'_>) -> ToolFuture {
///         match call.name() {
///             "greet" => ToolFuture::new(async { "Hello" }),
///             other => ToolFuture::ready(Err(RpcError::unknown_tool(other))),
///         }
///     }
/// }
/// ```
pub trait Registry: Send + Sync {
    /// What the registry can serve. By default tools.
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    /// A page of the definitions of the tools, in an order that stays the same.
    ///
    /// The answer may borrow from the registry, but not from the request, whose body
    /// is gone by then. A cursor that the registry did not give out is answered by
    /// [`RpcError::invalid_params`](crate::RpcError::invalid_params).
    fn list_tools(&self, request: ListTools<'_>) -> Answer<'_, ToolPage>;

    /// Calls a tool. The future owns what it needs of the request and the registry.
    fn call_tool(&self, call: ToolCall<'_>) -> ToolFuture;
}

/// A `tools/list` that has passed the manager's checks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListTools<'a> {
    /// Where the page begins; `None` for the first.
    pub cursor: Option<&'a str>,
    /// The head of the HTTP request.
    pub head: &'a Parts,
    /// The revision of the protocol that the request speaks.
    pub revision: Revision,
}

macro_rules! registry_behind {
    ($($pointer:ty),*) => {$(
        impl<R: Registry + ?Sized> Registry for $pointer {
            fn capabilities(&self) -> ServerCapabilities {
                (**self).capabilities()
            }

            fn list_tools(&self, request: ListTools<'_>) -> Answer<'_, ToolPage> {
                (**self).list_tools(request)
            }

            fn call_tool(&self, call: ToolCall<'_>) -> ToolFuture {
                (**self).call_tool(call)
            }
        }
    )*};
}

registry_behind!(&R, Box<R>, Arc<R>);
