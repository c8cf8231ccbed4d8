//! The limit: the cost of hyper and `serde_json` for a server that can only answer these requests.
//! It reads only the parts of a request that it needs, and makes none of the checks that MCP
//! requires of a server.

mod body;
mod countdown;
mod message;
mod params;
mod ready;
mod result;

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{self, HeaderName, HeaderValue},
    service::{Service, service_fn},
};
use serde_json::value::RawValue;

use self::{
    body::Body,
    countdown::Countdown,
    message::{Call, Echo, Integers, Message, Wait},
    params::{KeptParams, Params},
    ready::Ready,
};
use crate::catalogue::ToolSet;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The two forms of a result: without and with `resultType` and `_meta`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

/// The reply to a request.
enum Reply {
    Now(Response<Body>),
    /// JSON that is sent after this time.
    Later(Duration, Vec<u8>),
}

/// How many passes are made over the arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Passes {
    /// Arguments are parsed as soon as their tool is known.
    One,
    /// Arguments are kept as raw JSON until the whole request has been read.
    Two,
}

pub(super) fn service(
    tools: ToolSet,
    passes: Passes,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = hyper::Error,
    Future = impl Future<Output = Result<Response<Body>, hyper::Error>> + Send,
> + Clone {
    // Leaked, so that requests do not touch a reference count.
    let ready: &'static Ready = Box::leak(Box::new(Ready::new(tools)));
    service_fn(move |request| answer(ready, passes, request))
}

async fn answer(
    ready: &'static Ready,
    passes: Passes,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let era = match request.headers().get(PROTOCOL_VERSION) {
        Some(version) if version == "2026-07-28" => Era::Modern,
        _ => Era::Legacy,
    };
    let body = collect(request.into_body()).await?;
    let message = std::str::from_utf8(&body).ok().and_then(|text| match passes {
        Passes::One => serde_json::from_str(text).ok(),
        Passes::Two => {
            let Message { id, method, params } = serde_json::from_str::<Message<KeptParams>>(text).ok()?;
            Some(Message { id, method, params: params.parse()? })
        }
    });
    let reply = message.and_then(|message| reply(ready, era, message));
    drop(body);
    Ok(match reply {
        Some(Reply::Now(response)) => response,
        Some(Reply::Later(time, json)) => later(time, json).await,
        None => status(StatusCode::BAD_REQUEST),
    })
}

async fn later(time: Duration, body: Vec<u8>) -> Response<Body> {
    // Boxed, so that the futures of other requests have no room for a timer.
    Box::pin(tokio::time::sleep(time)).await;
    json(Body::whole(body))
}

/// Returns the whole body, without a copy if it arrived in one piece.
async fn collect(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let Some(first) = next(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut whole = Vec::with_capacity(first.len() + rest);
    whole.extend_from_slice(&first);
    while let Some(data) = next(&mut body).await? {
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
    Ok(frame.transpose()?.and_then(|frame| frame.into_data().ok()))
}

fn reply(ready: &Ready, era: Era, message: Message<Params>) -> Option<Reply> {
    let Some(id) = message.id else {
        return Some(Reply::Now(status(StatusCode::ACCEPTED)));
    };
    let response = match &*message.method {
        "tools/call" => return call(era, id, message.params),
        "tools/list" => json(Body::ready(id, ready.list(era))),
        "initialize" => json(Body::ready(id, ready.initialize())),
        "server/discover" => json(Body::ready(id, ready.discover())),
        _ => return None,
    };
    Some(Reply::Now(response))
}

fn call(era: Era, id: &RawValue, params: Params) -> Option<Reply> {
    let body = match params.call? {
        Call::Add(Integers { a, b }) => result::integer(era, id, a.wrapping_add(b)),
        Call::Multiply(Integers { a, b }) => result::integer(era, id, a.wrapping_mul(b)),
        Call::Echo(Echo { text }) => result::text(era, id, &text),
        Call::Countdown(arguments) => {
            let token = params.meta.progress_token?;
            return Some(Reply::Now(events(Countdown::new(era, id, token, &arguments))));
        }
        Call::Wait(Wait { ms }) => {
            return Some(Reply::Later(Duration::from_millis(ms), result::text(era, id, "done")));
        }
    };
    Some(Reply::Now(json(Body::whole(body))))
}

fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

fn events(countdown: Countdown) -> Response<Body> {
    let mut response = Response::new(Body::events(countdown));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::whole(Vec::new()));
    *response.status_mut() = status;
    response
}
