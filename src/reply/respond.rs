//! The only place that builds a response.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::body::Body;
use super::message::SingleReply;
use super::reply::Reply;
use crate::http::Accepts;
use crate::http::sse::frame_result;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Asks proxies not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Builds the response to a reply, of a content type that the client accepts. Errors are always
/// JSON: their status already tells the client that the content is not what it asked for.
pub(crate) fn respond(reply: Reply, accepts: Accepts) -> Response<Body> {
    match reply {
        Reply::Accepted => with_status(StatusCode::ACCEPTED, Body::default()),
        Reply::Single(SingleReply::Result(message)) if accepts.takes_json() => {
            let body = message.into_frames().map_or_else(Body::parts, Body::full);
            json(body)
        }
        Reply::Single(SingleReply::Result(message)) => events(Body::full(frame_result(&message.into_vec()))),
        Reply::Single(SingleReply::Error { status, message, headers, .. }) => {
            let mut response = json(Body::full(message));
            *response.status_mut() = status;
            response.headers_mut().extend(*headers);
            response
        }
        Reply::Stream(stream) => events(Body::stream(stream)),
        Reply::Subscription(stream) => events(Body::subscription(stream)),
        Reply::Events(bytes) => events(Body::full(bytes)),
    }
}

/// Builds a response with this status and no headers.
pub(crate) fn with_status<B>(status: StatusCode, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

fn events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
