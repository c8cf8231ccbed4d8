//! A registry whose calls go through a middleware.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;

use super::{Answer, Has, Item, ListRequest, Page, Registry};
use crate::call::{Call, CallError, CallFuture, CallKind, Output, Tags};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest};
use crate::jsonrpc::RpcError;
use crate::principal::Principal;
use crate::prompt::PromptOutput;
use crate::protocol::ServerCapabilities;
use crate::resource::ResourceOutput;
use crate::tool::ToolOutput;

/// Wraps every call of a registry, of a tool, a prompt or a resource, for example to log it,
/// measure it, refuse it, or change its outcome. Added with [`Registry::layer`].
///
/// Implemented for functions that take a [`CallInfo`] and a [`Next`]. Such a function runs after
/// the arguments are deserialised and before the handler runs. It refuses the call if it returns
/// without awaiting `next`:
///
/// ```
/// use std::time::Instant;
///
/// use mcp_stateless::registry::{CallInfo, Next};
/// use mcp_stateless::{Registry, ToolError, ToolRegistry};
///
/// let tools = ToolRegistry::builder().tool("now", "The time", async || "half past").build()?;
/// let tools = tools.layer(async |call: CallInfo, next: Next| {
///     if call.principal().is_none() {
///         return Err(ToolError::new("Log in first").into());
///     }
///     let start = Instant::now();
///     let outcome = next.await;
///     println!("{} {} took {:?}", call.kind(), call.name(), start.elapsed());
///     outcome
/// });
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// The call keeps its detachment, its name, and its time limit, which then covers the middleware as
/// well.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    note = "write `async |call: CallInfo, next: Next| {{ …; next.await }}`, which returns a `Result` of an `Outcome` \
            and an error such as `CallError`; a closure that captures clones first: `move |call: CallInfo, next: \
            Next| {{ let log = log.clone(); async move {{ … }} }}`",
    note = "its future is `Send + 'static`; or implement `Middleware` for a type of your own"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Handles a call, usually by passing it to `next`, which reads the arguments and returns the
    /// handler's future. Use [`CallFuture::wrap`] and [`CallFuture::map_outcome`] to wrap that
    /// future.
    fn around<T: Output>(
        &self,
        call: Call<'_>,
        next: impl FnOnce(Call<'_>) -> CallFuture<T>,
    ) -> CallFuture<T>;
}

impl<F, Fut, E> Middleware for F
where
    F: Fn(CallInfo, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome, E>> + Send + 'static,
    E: Into<CallError> + 'static,
{
    fn around<T: Output>(
        &self,
        call: Call<'_>,
        next: impl FnOnce(Call<'_>) -> CallFuture<T>,
    ) -> CallFuture<T> {
        let (name, tags, head) = (call.target().to_owned(), call.tags().clone(), call.head().clone());
        let info = CallInfo { kind: T::KIND, name, tags, head };
        next(call).wrap(|work| {
            let around = self(info, Next(Box::pin(async move { work.await.map(Outcome::from) })));
            async move { around.await.map_err(Into::into).and_then(Outcome::into_output::<T>) }
        })
    }
}

/// Information about a call for a middleware.
#[derive(Clone, Debug)]
pub struct CallInfo {
    kind: CallKind,
    name: String,
    tags: Tags,
    head: Parts,
}

impl CallInfo {
    /// Returns the kind of the item that is called.
    pub fn kind(&self) -> CallKind {
        self.kind
    }

    /// Returns the name of the tool or the prompt, or the canonical URI of the resource.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the tags of the item, as its registry sets them.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns the head of the HTTP request.
    pub fn head(&self) -> &Parts {
        &self.head
    }

    /// Returns the caller, if known.
    pub fn principal(&self) -> Option<&Principal> {
        Principal::of(&self.head)
    }
}

/// The rest of a call: the inner middleware, and the handler. It runs while it is awaited.
#[must_use = "the handler runs only when this is awaited"]
pub struct Next(Pin<Box<dyn Future<Output = Result<Outcome, CallError>> + Send>>);

impl Future for Next {
    type Output = Result<Outcome, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Next").finish_non_exhaustive()
    }
}

/// The result of a call of any kind. Create it `from` a [`ToolOutput`], a [`PromptOutput`] or a
/// [`ResourceOutput`].
pub struct Outcome {
    output: Box<dyn Any + Send>,
    is_error: bool,
}

impl<T: Output> From<T> for Outcome {
    fn from(output: T) -> Self {
        Self { is_error: output.is_error(), output: Box::new(output) }
    }
}

impl Outcome {
    /// Returns whether it is the result of a tool that failed (`isError`).
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// Returns the result, if the call is of that kind.
    pub fn downcast_ref<T: Output>(&self) -> Option<&T> {
        self.output.downcast_ref()
    }

    fn into_output<T: Output>(self) -> Result<T, CallError> {
        self.output.downcast().map(|output| *output).map_err(|_| {
            tracing::error!(kind = %T::KIND, "a middleware returned a result of the wrong kind");
            RpcError::internal().into()
        })
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outcome").field("is_error", &self.is_error).finish_non_exhaustive()
    }
}

/// A registry whose calls go through a [`Middleware`]; created by [`Registry::layer`]. Lists and
/// everything else are unchanged.
#[derive(Clone)]
pub struct Layered<R, M> {
    registry: R,
    middleware: M,
}

impl<R: Registry, M: Middleware> Layered<R, M> {
    /// Puts `middleware` around the calls of `registry`.
    pub fn new(registry: R, middleware: M) -> Self {
        Self { registry, middleware }
    }
}

impl<R: fmt::Debug, M> fmt::Debug for Layered<R, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Layered").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl<R: Registry, M: Middleware> Registry for Layered<R, M> {
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
        self.registry.list_tools(request)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        let tags = self.registry.tags(Item::Tool(call.target()));
        let call = call.with_tags(tags);
        self.middleware.around(call, |call| self.registry.call_tool(call))
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_prompts(request)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        let tags = self.registry.tags(Item::Prompt(call.target()));
        let call = call.with_tags(tags);
        self.middleware.around(call, |call| self.registry.get_prompt(call))
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_resources(request)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.registry.list_resource_templates(request)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        let tags = self.registry.tags(Item::Resource(call.target()));
        let call = call.with_tags(tags);
        self.middleware.around(call, |call| self.registry.read_resource(call))
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        self.registry.complete(request)
    }

    fn changes(&self) -> Changes {
        self.registry.changes()
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        self.registry.may_watch(uri, head)
    }
}
