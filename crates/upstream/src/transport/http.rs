//! Streamable HTTP: what all requests of one session share.

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
/// How many redirections one request may follow.
const MOST_REDIRECTS: usize = 3;
/// How long an upstream may take to accept a message without an answer, or the end of a session.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);
const DELETE_LIMIT: Duration = Duration::from_secs(2);

/// The HTTP client of one session.
pub(crate) struct Http {
    connections: Connections,
    pub(super) connection: Arc<Connection>,
    /// Where requests go: as configured, or where its origin has redirected them.
    place: Mutex<Arc<Place>>,
    fixed: HeaderMap,
    /// What the latest caller wants to be passed on: for requests that are no caller's.
    forwarded: Mutex<HeaderMap>,
    /// The session that the latest `initialize` named, before it is settled what is spoken.
    offered: Mutex<Option<HeaderValue>>,
    spoken: SetOnce<Spoken>,
}

/// What is spoken with an upstream.
struct Spoken {
    era: Era,
    revision: Option<HeaderValue>,
    session: Option<HeaderValue>,
}

/// Where a request goes.
struct Place {
    uri: Uri,
    /// What the request line has of it, and what `Host` has.
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
        // What names a host in a URI is always the value of a header.
        let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static(""));
        Arc::new(Self { uri, path, host })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way, so what it guards is whole even if poisoned.
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

    /// Waits until it is settled what is spoken.
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

    /// Takes note of the session that the answer to `initialize` names.
    pub(super) fn offer_session(&self, response: &Response<ResponseBody>) {
        *lock(&self.offered) = response.headers().get(SESSION).cloned();
    }

    /// Ends the session that an answer to `initialize` has begun and that is not used: the other
    /// era was chosen, or the opening was given up.
    pub(super) async fn decline_offer(&self) {
        let offered = lock(&self.offered).take();
        if let Some(session) = offered {
            let delete = self.send(Method::DELETE, None, vec![(SESSION, session)], Bytes::new());
            let _ = timeout(DELETE_LIMIT, delete).await;
        }
    }

    /// POSTs a message. `headers` are the protocol's, which win over others.
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

    /// POSTs a message that has no answer.
    pub(super) async fn notify(&self, message: Message) -> Result<(), Failure> {
        match timeout(NOTICE_LIMIT, self.post(message, None, Vec::new())).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(Failure::failed(format!("it answers HTTP {}", response.status()))),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::failed("it does not take a notification")),
        }
    }

    /// Asks for a stream: that of the session or, after an event, the rest of another.
    pub(super) async fn listen(&self, after: Option<&str>) -> Result<Response<ResponseBody>, Failure> {
        let after = after.and_then(|id| HeaderValue::from_str(id).ok()).map(|id| (LAST_EVENT, id));
        let own = [(ACCEPT, EVENTS)].into_iter().chain(after).collect();
        self.send(Method::GET, None, own, Bytes::new()).await
    }

    /// Sends a request with its `own` headers, which win over others.
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
            // Where streams are found elsewhere, messages need not be.
            if method == Method::POST {
                lock(&self.place).clone_from(&place);
            }
        }
        Err(Failure::failed("it redirects in a circle"))
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
        // What forgets the session, or cannot end one, needs nothing more.
        let _ = timeout(DELETE_LIMIT, delete).await;
    }

    /// What to say of an upstream that does not take POSTs: one of the transport before
    /// Streamable HTTP answers GET by a stream that names another endpoint.
    pub(super) async fn hint(&self) -> Option<&'static str> {
        let look = async {
            let mut events = Events::of(self.listen(None).await.ok()?, MAX_ERROR)?;
            let first = events.next().await.ok()??;
            (first.name.as_deref() == Some("endpoint")).then_some(
                "it speaks the HTTP+SSE transport of 2024-11-05, which was replaced by Streamable HTTP",
            )
        };
        timeout(DELETE_LIMIT, look).await.ok()?
    }
}

/// Where a response redirects a request to.
fn redirected(from: &Uri, response: &Response<ResponseBody>) -> Result<Uri, Failure> {
    let status = response.status();
    let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let refuse = |what: &str| {
        let target = shown(location.split('?').next().unwrap_or_default());
        Failure::failed(format!("it answers HTTP {status} and redirects to {target:?}, {what}"))
    };
    if ![StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&status) {
        return Err(refuse("which would not keep the request"));
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
    if is_same { Ok(target) } else { Err(refuse("which is another origin: it is not followed")) }
}

/// Sets headers, instead of others of their names.
fn put(headers: &mut HeaderMap, more: &HeaderMap) {
    for name in more.keys() {
        headers.remove(name);
        for value in more.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// The beginning of a body, to be logged.
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

/// The events of a stream under way.
pub(super) struct Events {
    body: ResponseBody,
    decoder: Decoder,
}

impl Events {
    /// `None` when the response is not a stream.
    pub(super) fn of(response: Response<ResponseBody>, limit: usize) -> Option<Self> {
        let is_stream = response.status().is_success() && is_of_type(&response, &EVENTS);
        is_stream.then(|| Self { body: response.into_body(), decoder: Decoder::new(limit) })
    }

    /// The next event; `None` at the end, however it came.
    ///
    /// # Errors
    /// When an event is too large.
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

/// Reads a whole body that is one message.
pub(super) async fn whole(response: Response<ResponseBody>) -> Result<Bytes, Failure> {
    let body = Limited::new(response.into_body(), MAX_MESSAGE).collect().await;
    let body = body
        .map_err(|error| Failure::Failed(Cause::new("its answer cannot be read").detail(error.to_string())));
    body.map(http_body_util::Collected::to_bytes)
}
