//! Calls from web pages of other origins.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::respond::with_status;
use crate::manager::StatelessSessionManager;

/// Cross-origin resource sharing for an MCP endpoint, by the manager's own rule of
/// which origins are served; made by
/// [`StatelessSessionManager::cors`](crate::StatelessSessionManager::cors).
///
/// It belongs outside a host's authentication, because a browser's preflight
/// carries no credentials. [`wrap`](Self::wrap) does all of it for a service; a
/// host without services calls [`preflight`](Self::preflight) before, and
/// [`Grant::apply`] after everything else.
///
/// Credentials in the browser's sense (cookies) are never allowed: a page sends
/// its token itself, in `Authorization`.
#[derive(Clone)]
pub struct Cors {
    manager: StatelessSessionManager,
}

/// What the pages of one request's origin may see; made by [`Cors::grant`].
#[derive(Clone, Debug)]
pub struct Grant {
    origin: Option<HeaderValue>,
}

impl Cors {
    pub(crate) fn new(manager: StatelessSessionManager) -> Self {
        Self { manager }
    }

    /// Answers a preflight, by an empty response: 204 that allows what was asked
    /// for, or 403 when the origin is not served. `None` for any other request.
    pub fn preflight<B: Default>(&self, head: &Parts) -> Option<Response<B>> {
        let wanted = &head.headers;
        if head.method != Method::OPTIONS
            || !wanted.contains_key(header::ORIGIN)
            || !wanted.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let grant = self.grant(head);
        let status = if grant.origin.is_some() { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
        let mut response = with_status(status, B::default());
        let headers = response.headers_mut();
        if grant.origin.is_some() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            // Whatever is asked for, because a tool's `Mcp-Param-*` are not known here.
            if let Some(names) = wanted.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        }
        grant.apply(headers);
        headers.append(header::VARY, HeaderValue::from_static("access-control-request-headers"));
        Some(response)
    }

    /// What the page that sent a request may see of its response. To be taken
    /// before the request is handed on.
    pub fn grant(&self, head: &Parts) -> Grant {
        let origin = self.manager.settings().origin_policy.cors_origin(head);
        Grant { origin: origin.and_then(|origin| HeaderValue::from_str(origin).ok()) }
    }

    /// Wraps a service, such as the manager's own inside a host's authentication:
    /// preflights are answered, and every other response, errors too, may be read
    /// by the pages that are served.
    pub fn wrap<S>(self, service: S) -> CorsService<S> {
        CorsService { cors: self, service }
    }
}

impl Grant {
    /// Adds the headers to a response's.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("www-authenticate, retry-after, allow"),
            );
        }
    }
}

/// A service with [`Cors`] around it.
#[derive(Clone)]
pub struct CorsService<S> {
    cors: Cors,
    #[cfg_attr(not(any(feature = "tower", feature = "hyper")), expect(dead_code))]
    service: S,
}

impl<S> CorsService<S> {
    /// Either answers, or calls the service.
    #[cfg(any(feature = "tower", feature = "hyper"))]
    fn respond<B, D: Default, F>(
        cors: &Cors,
        request: http::Request<B>,
        call: impl FnOnce(http::Request<B>) -> F,
    ) -> CorsFuture<F, D> {
        let (head, body) = request.into_parts();
        if let Some(response) = cors.preflight(&head) {
            return CorsFuture(State::Preflight(Some(response)));
        }
        let grant = cors.grant(&head);
        CorsFuture(State::Under { grant, call: Box::pin(call(http::Request::from_parts(head, body))) })
    }
}

#[cfg(feature = "tower")]
impl<S, B, D> tower_service::Service<http::Request<B>> for CorsService<S>
where
    S: tower_service::Service<http::Request<B>, Response = Response<D>>,
    D: Default,
{
    type Response = Response<D>;
    type Error = S::Error;
    type Future = CorsFuture<S::Future, D>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Self::respond(&self.cors, request, |request| self.service.call(request))
    }
}

#[cfg(feature = "hyper")]
impl<S, B, D> hyper::service::Service<http::Request<B>> for CorsService<S>
where
    S: hyper::service::Service<http::Request<B>, Response = Response<D>>,
    D: Default,
{
    type Response = Response<D>;
    type Error = S::Error;
    type Future = CorsFuture<S::Future, D>;

    fn call(&self, request: http::Request<B>) -> Self::Future {
        Self::respond(&self.cors, request, |request| self.service.call(request))
    }
}

/// The response of a [`CorsService`].
#[must_use]
pub struct CorsFuture<F, D>(State<F, D>);

enum State<F, D> {
    Preflight(Option<Response<D>>),
    Under { grant: Grant, call: Pin<Box<F>> },
}

// The inner future is boxed, and a response is never pinned.
impl<F, D> Unpin for CorsFuture<F, D> {}

impl<F, D, E> Future for CorsFuture<F, D>
where
    F: Future<Output = Result<Response<D>, E>>,
{
    type Output = Result<Response<D>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Preflight(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            State::Under { grant, call } => {
                let mut response = ready!(call.as_mut().poll(cx))?;
                grant.apply(response.headers_mut());
                Poll::Ready(Ok(response))
            }
        }
    }
}
