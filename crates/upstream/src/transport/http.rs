//! Streamable HTTP: the state that all requests of one session share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use mcp_stateless::protocol::Era;
use tokio::sync::SetOnce;
use tokio::time::timeout;

use super::connector::{Connections, ResponseBody};
use super::parcel::MAX_MESSAGE;
use super::sse::{Decoder, Event};
use crate::connection::Connection;
use crate::failure::{Cause, Failure, shown};
use crate::message::Message;
use crate::settings::Endpoint;

const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const MAX_ERROR: usize = 64 * 1024;
/// The maximum number of redirects that one request follows.
const MOST_REDIRECTS: usize = 3;
/// The time limits for a notification, and for ending a session.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);
const DELETE_LIMIT: Duration = Duration::from_secs(2);

/// The HTTP client of one session.
pub(crate) struct Http {
    connections: Connections,
    pub(super) connection: Arc<Connection>,
    /// The endpoint: the configured one, or the one that it has redirected to.
    place: Mutex<Arc<Place>>,
    fixed: HeaderMap,
    /// The forwarded headers of the latest caller, for requests without a caller.
    forwarded: Mutex<HeaderMap>,
    /// The session id of the latest `initialize`, until the era is chosen.
    offered: Mutex<Option<HeaderValue>>,
    spoken: SetOnce<Spoken>,
}

/// The era of a session and its protocol headers.
struct Spoken {
    era: Era,
    revision: Option<HeaderValue>,
    session: Option<HeaderValue>,
}

/// The endpoint of requests.
struct Place {
    uri: Uri,
    /// The URI for the request line, and the value of `Host`.
    path: Uri,
    host: HeaderValue,
}

impl Place {
    fn new(uri: Uri) -> Arc<Self> {
        let path = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        let is_default = match uri.scheme_str() {
            Some("https") => uri.port_u16() == Some(443),
            _ => uri.port_u16() == Some(80),
        };
        let port = uri.port_u16().filter(|_| !is_default).map(|port| format!(":{port}"));
        let host = format!("{}{}", uri.host().unwrap_or_default(), port.unwrap_or_default());
        // A URI's host is always a valid header value.
        let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static(""));
        Arc::new(Self { uri, path, host })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No critical section panics half-way, so a poisoned value is still consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Http {
    pub(super) fn new(
        endpoint: &Endpoint,
        connections: Connections,
        forwarded: HeaderMap,
        connection: Arc<Connection>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections,
            connection,
            place: Mutex::new(Place::new(endpoint.uri.clone())),
            fixed: endpoint.headers.clone(),
            forwarded: Mutex::new(forwarded),
            offered: Mutex::default(),
            spoken: SetOnce::new(),
        })
    }

    pub(super) fn adopt(&self, era: Era, revision: &str) {
        let session = match era {
            Era::Legacy => lock(&self.offered).take(),
            Era::Modern => None,
        };
        let revision = HeaderValue::from_str(revision).ok();
        let _ = self.spoken.set(Spoken { era, revision, session });
    }

    /// Waits until the era is chosen.
    pub(super) async fn settled(&self) {
        self.spoken.wait().await;
    }

    pub(super) fn has_session(&self) -> bool {
        self.spoken.get().is_some_and(|spoken| spoken.session.is_some())
    }

    pub(super) fn is_legacy(&self) -> bool {
        self.spoken.get().is_none_or(|spoken| spoken.era == Era::Legacy)
    }

    pub(super) fn has_offer(&self) -> bool {
        lock(&self.offered).is_some()
    }

    /// Stores the session id of a response to `initialize`.
    pub(super) fn offer_session(&self, response: &Response<ResponseBody>) {
        *lock(&self.offered) = response.headers().get(SESSION).cloned();
    }

    /// Ends a session that `initialize` has begun but that is not used, because the other era was
    /// chosen or the opening was abandoned.
    pub(super) async fn decline_offer(&self) {
        let offered = lock(&self.offered).take();
        if let Some(session) = offered {
            let delete = self.send(Method::DELETE, None, vec![(SESSION, session)], Bytes::new());
            let _ = timeout(DELETE_LIMIT, delete).await;
        }
    }

    /// Sends a message. `headers` are those of the protocol, which replace others of the same name.
    pub(super) async fn post(
        &self,
        body: Message,
        caller: Option<HeaderMap>,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Response<ResponseBody>, Failure> {
        if let Some(caller) = &caller {
            let mut forwarded = lock(&self.forwarded);
            if !(caller.is_empty() && forwarded.is_empty()) {
                forwarded.clone_from(caller);
            }
        }
        let mut own = headers;
        own.extend([(ACCEPT, BOTH), (CONTENT_TYPE, JSON)]);
        self.send(Method::POST, caller, own, body.into()).await
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, message: Message) -> Result<(), Failure> {
        match timeout(NOTICE_LIMIT, self.post(message, None, Vec::new())).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(Failure::failed(format!("it responds with HTTP {}", response.status()))),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::failed("it does not accept a notification")),
        }
    }

    /// Requests a stream: the one of the session or, with the id of an event, the rest of another.
    pub(super) async fn listen(&self, after: Option<&str>) -> Result<Response<ResponseBody>, Failure> {
        let after = after.and_then(|id| HeaderValue::from_str(id).ok()).map(|id| (LAST_EVENT, id));
        let own = [(ACCEPT, EVENTS)].into_iter().chain(after).collect();
        self.send(Method::GET, None, own, Bytes::new()).await
    }

    /// Sends a request. Its `own` headers replace others of the same name.
    async fn send(
        &self,
        method: Method,
        caller: Option<HeaderMap>,
        own: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Response<ResponseBody>, Failure> {
        let mut place = Arc::clone(&lock(&self.place));
        for _ in 0..=MOST_REDIRECTS {
            let mut request = Request::new(Full::new(body.clone()));
            (*request.method_mut(), *request.uri_mut()) = (method.clone(), place.path.clone());
            *request.headers_mut() = self.headers(caller.as_ref(), &own);
            request.headers_mut().entry(HOST).or_insert_with(|| place.host.clone());
            let response = self.connections.request(&place.uri, request).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            place = Place::new(redirected(&place.uri, &response)?);
            // Only a redirected POST moves the endpoint: streams may be served elsewhere.
            if method == Method::POST {
                lock(&self.place).clone_from(&place);
            }
        }
        Err(Failure::failed("it redirects too many times"))
    }

    fn headers(&self, caller: Option<&HeaderMap>, own: &[(HeaderName, HeaderValue)]) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(12);
        match caller {
            Some(caller) => put(&mut headers, caller),
            None => put(&mut headers, &lock(&self.forwarded)),
        }
        put(&mut headers, &self.fixed);
        if let Some(Spoken { era, revision, session }) = self.spoken.get() {
            if let Some(revision) = revision.as_ref().filter(|_| *era == Era::Legacy) {
                headers.insert(REVISION, revision.clone());
            }
            if let Some(session) = session {
                headers.insert(SESSION, session.clone());
            }
        }
        for (name, value) in own {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// Ends the session at the upstream.
    pub(super) async fn delete(&self) {
        let delete = self.send(Method::DELETE, None, Vec::new(), Bytes::new());
        // The outcome does not matter: the session is forgotten, or cannot be ended.
        let _ = timeout(DELETE_LIMIT, delete).await;
    }

    /// Returns an explanation for an upstream that refuses POST. A server with the transport that
    /// preceded Streamable HTTP responds to GET with a stream that names another endpoint.
    pub(super) async fn hint(&self) -> Option<&'static str> {
        let look = async {
            let mut events = Events::of(self.listen(None).await.ok()?, MAX_ERROR)?;
            let first = events.next().await.ok()??;
            (first.name.as_deref() == Some("endpoint"))
                .then_some("it uses the HTTP+SSE transport of 2024-11-05, which Streamable HTTP has replaced")
        };
        timeout(DELETE_LIMIT, look).await.ok()?
    }
}

/// Returns the target of a redirect.
fn redirected(from: &Uri, response: &Response<ResponseBody>) -> Result<Uri, Failure> {
    let status = response.status();
    let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let refuse = |what: &str| {
        let target = shown(location.split('?').next().unwrap_or_default());
        Failure::failed(format!("it responds with HTTP {status} and redirects to {target:?}, {what}"))
    };
    if ![StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&status) {
        return Err(refuse("which would change the request's method"));
    }
    let target = if location.starts_with('/') && !location.starts_with("//") {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = location.parse().ok();
        Uri::from_parts(parts).ok()
    } else {
        location.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some())
    };
    let target = target.ok_or_else(|| refuse("which is not a URL"))?;
    let port = |uri: &Uri| {
        uri.port_u16().or_else(|| (uri.scheme_str() == Some("https")).then_some(443)).unwrap_or(80)
    };
    let is_same =
        target.scheme() == from.scheme() && target.host() == from.host() && port(&target) == port(from);
    if is_same { Ok(target) } else { Err(refuse("which is another origin")) }
}

/// Sets headers and replaces those of the same name.
fn put(headers: &mut HeaderMap, more: &HeaderMap) {
    for name in more.keys() {
        headers.remove(name);
        for value in more.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Reads the beginning of a body, for an error or the log.
pub(super) async fn beginning(response: Response<ResponseBody>) -> Bytes {
    let body = Limited::new(response.into_body(), MAX_ERROR).collect();
    match timeout(NOTICE_LIMIT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    }
}

pub(super) fn is_of_type(response: &Response<ResponseBody>, wanted: &HeaderValue) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().as_bytes().eq_ignore_ascii_case(wanted.as_bytes())
}

pub(super) fn is_json(response: &Response<ResponseBody>) -> bool {
    is_of_type(response, &JSON)
}

/// The events of an open stream.
pub(super) struct Events {
    body: ResponseBody,
    decoder: Decoder,
}

impl Events {
    /// Returns `None` if the response is not an event stream.
    pub(super) fn of(response: Response<ResponseBody>, limit: usize) -> Option<Self> {
        let is_stream = response.status().is_success() && is_of_type(&response, &EVENTS);
        is_stream.then(|| Self { body: response.into_body(), decoder: Decoder::new(limit) })
    }

    /// Returns the next event, or `None` if the stream ends or breaks.
    ///
    /// # Errors
    /// Returns an error if an event is too large.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Cause> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Ok(Some(event));
            }
            let Some(Ok(frame)) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.into_data() {
                self.decoder.push(&data).map_err(|error| Cause::new(error.to_string()))?;
            }
        }
    }
}

/// Reads a whole body, which is one message or a batch.
pub(super) async fn whole(response: Response<ResponseBody>) -> Result<Bytes, Failure> {
    let body = Limited::new(response.into_body(), MAX_MESSAGE).collect().await;
    let body = body.map_err(|error| {
        Failure::Failed(Cause::new("its response cannot be read").detail(error.to_string()))
    });
    body.map(http_body_util::Collected::to_bytes)
}
