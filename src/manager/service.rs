//! The manager as a service for tower (and so axum) and hyper.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};

use super::handle::{StatelessSessionManager, answer};
use crate::registry::Registry;
use crate::reply::Body;
use crate::request::{Refusal, Rejection};

/// A manager with its registry, as a `tower_service::Service` (feature `tower`) and a
/// `hyper::service::Service` (feature `hyper`).
///
/// In axum, mount it with `route_service` or `nest_service`. It is always ready, and never fails.
/// Clones serve the same registry.
///
/// Each clone has its own reference count for its requests. Servers clone the service for each connection, so
/// connections do not contend for one count.
#[derive(Debug)]
#[expect(clippy::redundant_allocation, reason = "the outer `Arc` is counted by one connection alone")]
pub struct McpService<C>(Arc<Arc<Shared<C>>>);

/// The state that the clones of one service share. Each clone counts its requests in an `Arc` around
/// it.
#[derive(Debug)]
struct Shared<C> {
    manager: StatelessSessionManager,
    choice: C,
}

impl<C> Clone for McpService<C> {
    fn clone(&self) -> Self {
        Self(Arc::new(Arc::clone(&self.0)))
    }
}

impl<C> McpService<C> {
    fn new(manager: &StatelessSessionManager, choice: C) -> Self {
        Self(Arc::new(Arc::new(Shared { manager: manager.clone(), choice })))
    }
}

impl StatelessSessionManager {
    /// Creates a service that answers every request with `registry`.
    pub fn service<R: Registry + Clone>(&self, registry: R) -> McpService<Fixed<R>> {
        McpService::new(self, Fixed(registry))
    }

    /// Creates a service that asks `choose` for the registry of each request, as
    /// [`handle_with`](Self::handle_with) does.
    ///
    /// The future of `choose` cannot borrow the head, so copy what it needs first:
    ///
    /// ```
    /// use http::StatusCode;
    /// use http::request::Parts;
    /// use mcp_stateless::manager::Refusal;
    /// use mcp_stateless::{StatelessSessionManager, ToolRegistry};
    ///
    /// async fn load(tenant: Option<String>) -> Result<ToolRegistry, Refusal> {
    ///     let tenant = tenant.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, "no tenant"))?;
    ///     let tools = ToolRegistry::builder().tool("whose", "", move || std::future::ready(tenant.clone()));
    ///     tools.build().map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "broken tools"))
    /// }
    ///
    /// let manager = StatelessSessionManager::builder("tenants", "1.0.0").build()?;
    /// let service = manager.service_with(|head: &Parts| {
    ///     let tenant = head.headers.get("x-tenant").and_then(|name| name.to_str().ok()).map(str::to_owned);
    ///     load(tenant)
    /// });
    /// # Ok::<(), mcp_stateless::ConfigError>(())
    /// ```
    pub fn service_with<C, R, F>(&self, choose: C) -> McpService<C>
    where
        C: Fn(&Parts) -> F + Clone,
        F: Future<Output = Result<R, Refusal>> + Send,
        R: Registry,
    {
        McpService::new(self, choose)
    }
}

/// An [`McpService`] at one path, for a server without a router. Created by [`McpService::at`].
///
/// With the path `/mcp` it also answers at `/mcp/`, because some clients append a slash. Requests
/// to other paths get 404, with a JSON-RPC error that names the path.
#[derive(Clone, Debug)]
pub struct McpAt<C> {
    service: McpService<C>,
    /// Without a trailing slash.
    path: Arc<str>,
}

impl<C> McpAt<C>
where
    C: ChooseRegistry + Send + Sync + 'static,
{
    fn respond<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: http_body::Body<Data: Send> + Send + 'static,
    {
        let path = request.uri().path();
        if path.strip_suffix('/').unwrap_or(path) == &*self.path {
            return self.service.respond(request);
        }
        let (head, _) = request.into_parts();
        let path = if self.path.is_empty() { Arc::from("/") } else { Arc::clone(&self.path) };
        let response = self.service.0.manager.refuse(Rejection::NotFound(path), head);
        ResponseFuture(Box::pin(ready(Ok(response))))
    }
}

/// Chooses the registry for a request by its head. Implemented for functions, and for [`Fixed`].
pub trait ChooseRegistry: Clone {
    /// The chosen registry.
    type Registry<'c>: Registry
    where
        Self: 'c;
    /// The future of the choice.
    type Future<'c>: Future<Output = Result<Self::Registry<'c>, Refusal>> + Send
    where
        Self: 'c;

    /// Chooses the registry, or refuses the request.
    fn choose<'c>(&'c self, head: &Parts) -> Self::Future<'c>;
}

/// The same registry for every request. Created by [`service`](StatelessSessionManager::service).
#[derive(Clone, Debug)]
pub struct Fixed<R>(R);

impl<R: Registry + Clone> ChooseRegistry for Fixed<R> {
    type Registry<'c>
        = &'c R
    where
        Self: 'c;
    type Future<'c>
        = Ready<Result<&'c R, Refusal>>
    where
        Self: 'c;

    fn choose<'c>(&'c self, _: &Parts) -> Self::Future<'c> {
        ready(Ok(&self.0))
    }
}

impl<C, R, F> ChooseRegistry for C
where
    C: Fn(&Parts) -> F + Clone,
    F: Future<Output = Result<R, Refusal>> + Send,
    R: Registry,
{
    type Registry<'c>
        = R
    where
        Self: 'c;
    type Future<'c>
        = F
    where
        Self: 'c;

    fn choose<'c>(&'c self, head: &Parts) -> Self::Future<'c> {
        self(head)
    }
}

/// The response future of an [`McpService`]. Dropping it cancels the call.
#[must_use]
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>);

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<C> McpService<C> {
    /// Serves only `path`, with or without a trailing slash. Requests to other paths get 404. For a
    /// server without a router.
    pub fn at(self, path: &str) -> McpAt<C> {
        McpAt { service: self, path: path.strip_suffix('/').unwrap_or(path).into() }
    }
}

impl<C> McpService<C>
where
    C: ChooseRegistry + Send + Sync + 'static,
{
    fn respond<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: http_body::Body<Data: Send> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        // Split outside the future: values moved into a future are stored twice.
        let (mut head, body) = request.into_parts();
        ResponseFuture(Box::pin(async move {
            let Shared { manager, choice } = &**shared;
            answer(manager.settings(), &mut head, body, |head| choice.choose(head)).await
        }))
    }
}

/// Implements both service traits. `respond` answers a request.
macro_rules! services {
    ($($service:ident),*) => {$(
        #[cfg(feature = "tower")]
        impl<C, B> tower_service::Service<Request<B>> for $service<C>
        where
            C: ChooseRegistry + Send + Sync + 'static,
            B: http_body::Body<Data: Send> + Send + 'static,
        {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = ResponseFuture;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<B>) -> ResponseFuture {
                self.respond(request)
            }
        }

        #[cfg(feature = "hyper")]
        impl<C, B> hyper::service::Service<Request<B>> for $service<C>
        where
            C: ChooseRegistry + Send + Sync + 'static,
            B: http_body::Body<Data: Send> + Send + 'static,
        {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = ResponseFuture;

            fn call(&self, request: Request<B>) -> ResponseFuture {
                self.respond(request)
            }
        }
    )*};
}

services!(McpService, McpAt);
