//! The only place that builds a response.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

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

/// The largest map of headers that is reused, in entries of some hundred bytes. hyper keeps the map of a
/// response for the next request of the connection, however long that is idle.
const MOST_REUSED: usize = 24;

/// Builds the response to a reply, of a content type that the client accepts. Errors are always
/// JSON: their status already tells the client that the content is not what it asked for.
///
/// `headers` are those of the request, which nothing needs any more: the response takes over their
/// memory, because allocating costs more than everything else here.
pub(crate) fn respond(reply: Reply, accepts: Accepts, mut headers: HeaderMap) -> Response<Body> {
    if headers.capacity() <= MOST_REUSED {
        headers.clear();
    } else {
        headers = HeaderMap::new();
    }
    let (status, body) = match reply {
        Reply::Accepted => (StatusCode::ACCEPTED, Body::default()),
        Reply::Single(SingleReply::Result(message)) if accepts.takes_json() => {
            headers.insert(header::CONTENT_TYPE, JSON);
            (StatusCode::OK, message.into_frames().map_or_else(Body::parts, Body::full))
        }
        Reply::Single(SingleReply::Result(message)) => {
            events(&mut headers, Body::full(frame_result(&message.into_vec())))
        }
        Reply::Single(SingleReply::Error { status, message, headers: more, .. }) => {
            headers.insert(header::CONTENT_TYPE, JSON);
            headers.extend(*more);
            (status, Body::full(message))
        }
        Reply::Stream(stream) => events(&mut headers, Body::stream(stream)),
        Reply::Subscription(stream) => events(&mut headers, Body::subscription(stream)),
        Reply::Events(bytes) => events(&mut headers, Body::full(bytes)),
    };
    let mut response = with_status(status, body);
    *response.headers_mut() = headers;
    response
}

/// Builds a response with this status and no headers.
pub(crate) fn with_status<B>(status: StatusCode, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Describes a body of server-sent events.
fn events(headers: &mut HeaderMap, body: Body) -> (StatusCode, Body) {
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    (StatusCode::OK, body)
}
