//! The host's service, with its requests counted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::activity::{Activity, InFlight};
use super::stream::WriteProgress;

/// The maximum number of bytes that a stream of HTTP/2 is given at once. Its peer must take them within the
/// write timeout.
const MAX_FRAME: usize = 16 * 1024;

/// A service on one connection.
pub(super) struct CountedService<S> {
    pub(super) service: S,
    pub(super) activity: Arc<Activity>,
}

impl<S, R, B> Service<Request<R>> for CountedService<S>
where
    S: Service<Request<R>, Response = Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn call(&self, request: Request<R>) -> Self::Future {
        let in_flight = Some(self.activity.begin(request.version()));
        CountedFuture { response: self.service.call(request), in_flight }
    }
}

pin_project! {
    /// A response in progress.
    pub(super) struct CountedFuture<F> {
        #[pin]
        response: F,
        in_flight: Option<InFlight>,
    }
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = std::task::ready!(this.response.poll(cx));
        let in_flight = this.in_flight.take();
        let progress = WriteProgress::of_this_stream();
        let count = |body| CountedBody { body, progress, rest: Bytes::new(), _in_flight: in_flight };
        Poll::Ready(response.map(|response| response.map(count)))
    }
}

pin_project! {
    /// The body of a response, in frames of bounded size where streams share a connection.
    pub(super) struct CountedBody<B> {
        #[pin]
        body: B,
        progress: Option<Arc<WriteProgress>>,
        // The rest of a large frame.
        rest: Bytes,
        _in_flight: Option<InFlight>,
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for CountedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let Some(progress) = this.progress else { return this.body.poll_frame(cx) };
        progress.go_on();
        if this.rest.is_empty() {
            let Some(frame) = std::task::ready!(this.body.poll_frame(cx)?) else {
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(data) => *this.rest = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        progress.hand_out();
        let length = this.rest.len().min(MAX_FRAME);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        let mut sum = SizeHint::new();
        sum.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper().and_then(|upper| upper.checked_add(rest)) {
            sum.set_upper(upper);
        }
        sum
    }
}
