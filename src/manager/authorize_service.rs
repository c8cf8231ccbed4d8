//! A resource server around a service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};

use super::authorize::Authorize;
use crate::auth::{DPOP_NONCE, NextNonce};
use crate::reply::Body;

impl Authorize {
    /// Wraps a service, such as one of the manager's.
    pub fn wrap<S>(self, service: S) -> AuthorizeService<S> {
        AuthorizeService { authorize: self, service }
    }
}

#[cfg(feature = "tower")]
impl<S> tower_layer::Layer<S> for Authorize {
    type Service = AuthorizeService<S>;

    fn layer(&self, service: S) -> AuthorizeService<S> {
        self.clone().wrap(service)
    }
}

/// A service behind a resource server; see [`Authorize`]. It is always ready: the readiness of the
/// inner service is awaited after the token has been verified.
#[derive(Clone, Debug)]
pub struct AuthorizeService<S> {
    authorize: Authorize,
    service: S,
}

/// The response body of an [`AuthorizeService`]: that of the inner service or of a refusal.
#[derive(Debug)]
pub struct AuthorizeBody<D>(Either<D>);

#[derive(Debug)]
enum Either<D> {
    Served(D),
    Own(Body),
}

impl<D> Default for AuthorizeBody<D> {
    fn default() -> Self {
        Self(Either::Own(Body::default()))
    }
}

/// The response of an [`AuthorizeService`]. Dropping it cancels the call.
#[must_use]
pub struct AuthorizeFuture<D, E>(Pin<Box<dyn Future<Output = Outcome<D, E>> + Send>>);

type Outcome<D, E> = Result<Response<AuthorizeBody<D>>, E>;

impl<D, E> AuthorizeFuture<D, E> {
    fn new<B, F>(
        authorize: Authorize,
        request: Request<B>,
        serve: impl FnOnce(Request<B>) -> F + Send + 'static,
    ) -> Self
    where
        B: Send + 'static,
        F: Future<Output = Result<Response<D>, E>> + Send,
        D: 'static,
        E: 'static,
    {
        Self(Box::pin(async move {
            match authorize.check(request).await {
                Ok(request) => {
                    let next_nonce = request.extensions().get::<NextNonce>().cloned();
                    let mut response = serve(request).await?.map(|body| AuthorizeBody(Either::Served(body)));
                    if let Some(nonce) = next_nonce {
                        response.headers_mut().insert(DPOP_NONCE, nonce.value().clone());
                    }
                    Ok(response)
                }
                Err(response) => Ok(response.map(|body| AuthorizeBody(Either::Own(body)))),
            }
        }))
    }
}

impl<D, E> Future for AuthorizeFuture<D, E> {
    type Output = Outcome<D, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<D, E> fmt::Debug for AuthorizeFuture<D, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AuthorizeFuture").finish_non_exhaustive()
    }
}

#[cfg(feature = "tower")]
impl<S, B, D> tower_service::Service<Request<B>> for AuthorizeService<S>
where
    S: tower_service::Service<Request<B>, Response = Response<D>, Future: Send, Error: 'static>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
    D: 'static,
{
    type Response = Response<AuthorizeBody<D>>;
    type Error = S::Error;
    type Future = AuthorizeFuture<D, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut service = self.service.clone();
        AuthorizeFuture::new(self.authorize.clone(), request, async move |request| {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        })
    }
}

#[cfg(feature = "hyper")]
impl<S, B, D> hyper::service::Service<Request<B>> for AuthorizeService<S>
where
    S: hyper::service::Service<Request<B>, Response = Response<D>, Future: Send, Error: 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Send + 'static,
    D: 'static,
{
    type Response = Response<AuthorizeBody<D>>;
    type Error = S::Error;
    type Future = AuthorizeFuture<D, S::Error>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let service = self.service.clone();
        AuthorizeFuture::new(self.authorize.clone(), request, async move |request| {
            service.call(request).await
        })
    }
}

impl<D: http_body::Body<Data = Bytes> + Unpin> http_body::Body for AuthorizeBody<D> {
    type Data = Bytes;
    type Error = D::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, D::Error>>> {
        match &mut self.0 {
            Either::Served(body) => Pin::new(body).poll_frame(cx),
            Either::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Either::Served(body) => body.is_end_stream(),
            Either::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Either::Served(body) => body.size_hint(),
            Either::Own(body) => body.size_hint(),
        }
    }
}
