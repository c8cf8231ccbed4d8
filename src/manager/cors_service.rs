//! A service with CORS.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};

use super::cors::{Cors, CorsGrant};

impl Cors {
    /// Wraps a service, such as the manager's own inside the host's authentication. Preflights are
    /// answered here. All other responses, including errors, get CORS headers.
    pub fn wrap<S>(self, service: S) -> CorsService<S> {
        CorsService { cors: self, service }
    }
}

#[cfg(feature = "tower")]
impl<S> tower_layer::Layer<S> for Cors {
    type Service = CorsService<S>;

    fn layer(&self, service: S) -> CorsService<S> {
        self.clone().wrap(service)
    }
}

/// A service with [`Cors`] around it.
#[derive(Clone, Debug)]
pub struct CorsService<S> {
    cors: Cors,
    service: S,
}

impl<S> CorsService<S> {
    /// Answers a preflight, or calls the service.
    fn respond<B, D: Default, F>(
        cors: &Cors,
        request: Request<B>,
        call: impl FnOnce(Request<B>) -> F,
    ) -> CorsFuture<F, D> {
        let (head, body) = request.into_parts();
        if let Some(response) = cors.preflight(&head) {
            return CorsFuture(FutureState::Preflight(Some(response)));
        }
        let grant = cors.grant(&head);
        CorsFuture(FutureState::Under { grant, call: Box::pin(call(Request::from_parts(head, body))) })
    }
}

#[cfg(feature = "tower")]
impl<S, B, D> tower_service::Service<Request<B>> for CorsService<S>
where
    S: tower_service::Service<Request<B>, Response = Response<D>>,
    D: Default,
{
    type Response = Response<D>;
    type Error = S::Error;
    type Future = CorsFuture<S::Future, D>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Self::respond(&self.cors, request, |request| self.service.call(request))
    }
}

#[cfg(feature = "hyper")]
impl<S, B, D> hyper::service::Service<Request<B>> for CorsService<S>
where
    S: hyper::service::Service<Request<B>, Response = Response<D>>,
    D: Default,
{
    type Response = Response<D>;
    type Error = S::Error;
    type Future = CorsFuture<S::Future, D>;

    fn call(&self, request: Request<B>) -> Self::Future {
        Self::respond(&self.cors, request, |request| self.service.call(request))
    }
}

/// The response future of a [`CorsService`].
#[must_use]
#[derive(Debug)]
pub struct CorsFuture<F, D>(FutureState<F, D>);

#[derive(Debug)]
enum FutureState<F, D> {
    Preflight(Option<Response<D>>),
    Under { grant: CorsGrant, call: Pin<Box<F>> },
}

// The inner future is boxed, and the response is never pinned in place.
impl<F, D> Unpin for CorsFuture<F, D> {}

impl<F, D, E> Future for CorsFuture<F, D>
where
    F: Future<Output = Result<Response<D>, E>>,
{
    type Output = Result<Response<D>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            FutureState::Preflight(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            FutureState::Under { grant, call } => {
                let mut response = ready!(call.as_mut().poll(cx))?;
                grant.apply(response.headers_mut());
                Poll::Ready(Ok(response))
            }
        }
    }
}
