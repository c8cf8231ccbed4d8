//! How `rmcp` speaks HTTP with an upstream.
//!
//! Its own client would read messages into its own types at once; this one lets the
//! [`Router`] have them first.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, NumberOrString};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::value::RawValue;
use sse_stream::Sse;
use thiserror::Error;

use super::router::Router;
use super::sse::Decoder;
use super::stdio::MAX_MESSAGE;
use super::wire::{self, Outgoing, OutgoingParts};

const MAX_ERROR: usize = 64 * 1024;
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// When a stream that has ended is asked for again, in milliseconds, whatever the upstream
/// wants.
const SOONEST_RETRY: u64 = 100;
const LATEST_RETRY: u64 = 60_000;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

pub(super) type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type Failure = StreamableHttpError<Fault>;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("there is no connection: {0}")]
    Connect(hyper_util::client::legacy::Error),
    #[error("the connection failed: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    #[error("HTTP {0}")]
    Status(StatusCode),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Client(fault)
    }
}

/// Makes ready to connect to `url`; sessions of one upstream share the connections.
///
/// # Errors
/// When it is of `https`, and the system has no certificates.
pub(super) fn connections(url: &str) -> io::Result<Connections> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_LIMIT));
    http.set_nodelay(true);
    let provider = rustls::crypto::ring::default_provider();
    let connector = if is_https(url) {
        HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?
    } else {
        // Never asked, for redirections are not followed.
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        HttpsConnectorBuilder::new().with_tls_config(config)
    };
    let connector = connector.https_or_http().enable_http1().wrap_connector(http);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_idle_timeout(IDLE_CONNECTION).pool_timer(TokioTimer::new());
    Ok(client.build(connector))
}

fn is_https(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// The HTTP client of one session.
#[derive(Clone)]
pub(super) struct HttpClient {
    connections: Connections,
    router: Arc<Router>,
    /// What goes out with every request.
    fixed: Arc<HeaderMap>,
    /// What the latest caller wants to be passed on: for requests that are no caller's.
    forwarded: Arc<Mutex<HeaderMap>>,
}

impl HttpClient {
    pub(super) fn new(
        connections: Connections,
        router: Arc<Router>,
        fixed: Arc<HeaderMap>,
        forwarded: HeaderMap,
    ) -> Self {
        Self { connections, router, fixed, forwarded: Arc::new(Mutex::new(forwarded)) }
    }

    /// Sends a request. `custom` are the protocol's own headers, which win over others.
    async fn send(
        &self,
        mut request: http::request::Builder,
        session: Option<&str>,
        custom: HashMap<HeaderName, HeaderValue>,
        body: Bytes,
        caller: Option<&HeaderMap>,
    ) -> Result<Response<Incoming>, Failure> {
        if let Some(headers) = request.headers_mut() {
            match caller {
                Some(caller) => put(headers, caller),
                None => put(headers, &self.forwarded.lock().unwrap_or_else(PoisonError::into_inner)),
            }
            put(headers, &self.fixed);
            headers.extend(custom);
        }
        if let Some(session) = session {
            request = request.header(SESSION, session);
        }
        let request = request.body(Full::new(body)).map_err(Fault::Request)?;
        let response = self.connections.request(request).await;
        response
            .map_err(|error| if error.is_connect() { Fault::Connect(error) } else { broken(error) }.into())
    }

    /// The events of a stream, as far as they are for `rmcp`.
    fn events(
        &self,
        body: Incoming,
        limit: usize,
        origin: Option<i64>,
    ) -> BoxStream<'static, Result<Sse, SseError>> {
        let state = Events { body, decoder: Decoder::new(limit), router: Arc::clone(&self.router), origin };
        stream::unfold(Some(state), async |state| {
            let mut state = state?;
            match state.next().await {
                Ok(Some(event)) => Some((Ok(event), Some(state))),
                Ok(None) => None,
                Err(error) => Some((Err(SseError::Body(error)), None)),
            }
        })
        .boxed()
    }
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

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::Broken(error.into())
}

/// A stream of events under way.
struct Events {
    body: Incoming,
    decoder: Decoder,
    router: Arc<Router>,
    origin: Option<i64>,
}

impl Events {
    async fn next(&mut self) -> Result<Option<Sse>, Box<dyn std::error::Error + Send + Sync>> {
        loop {
            while let Some(mut event) = self.decoder.next() {
                let data = event.data.take().filter(|data| !data.trim().is_empty());
                if let Some(data) = data {
                    event.data = self.router.receive(&data, self.origin).await;
                }
                // What tells how to go on with the stream is not lost with its message.
                if event.data.is_some() || event.id.is_some() || event.retry.is_some() {
                    event.data.get_or_insert_default();
                    event.event = None;
                    event.retry = event.retry.map(|retry| retry.clamp(SOONEST_RETRY, LATEST_RETRY));
                    return Ok(Some(event));
                }
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                self.decoder.push(&data)?;
            }
        }
    }
}

async fn whole(body: Incoming, limit: usize) -> Result<Bytes, Failure> {
    let body = Limited::new(body, limit).collect().await.map_err(broken)?;
    Ok(body.to_bytes())
}

fn is_of_type(response: &Response<Incoming>, wanted: &str) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}

/// The id of a request; `None` for what is none.
fn id_of(message: &ClientJsonRpcMessage) -> Option<i64> {
    match message {
        JsonRpcMessage::Request(request) => match request.id {
            NumberOrString::Number(id) => Some(id),
            NumberOrString::String(_) => None,
        },
        _ => None,
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = Fault;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        self.post_message_with_max_sse_event_size(uri, message, session, token, headers, MAX_MESSAGE).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        mut headers: HashMap<HeaderName, HeaderValue>,
        limit: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let parts = parts_of(&message);
        let caller = parts.map(|parts| &parts.headers);
        if let Some(caller) = caller {
            self.forwarded.lock().unwrap_or_else(PoisonError::into_inner).clone_from(caller);
        }
        headers.extend(parts.into_iter().flat_map(|parts| parts.mirrored.clone()));
        let body = wire::encode(&message, &self.router)?;
        let request = Request::post(&*uri).header(ACCEPT, BOTH).header(CONTENT_TYPE, JSON);
        let response = self.send(request, session.as_deref(), headers, body.into(), caller).await?;
        let status = response.status();
        let new_session = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Some(id) = id_of(&message) else {
            return match status {
                StatusCode::NOT_FOUND if session.is_some() => Err(StreamableHttpError::SessionExpired),
                // Whatever is said to what wants no answer.
                _ if status.is_success() => Ok(StreamableHttpPostResponse::Accepted),
                _ => Err(Fault::Status(status).into()),
            };
        };
        if !status.is_success() {
            let is_probe = matches!(&message, JsonRpcMessage::Request(it) if matches!(it.request, ClientRequest::DiscoverRequest(_)));
            return self.refused(response, id, session.is_some(), is_probe).await;
        }
        if status == StatusCode::ACCEPTED {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if is_of_type(&response, "text/event-stream") {
            let events = self.events(response.into_body(), limit, Some(id));
            return Ok(StreamableHttpPostResponse::Sse(events, new_session));
        }
        if !is_of_type(&response, "application/json") {
            let kind = response.headers().get(CONTENT_TYPE);
            let kind = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
            return Err(StreamableHttpError::UnexpectedContentType(kind));
        }
        let body = whole(response.into_body(), limit).await?;
        let text = std::str::from_utf8(&body).map_err(broken)?;
        let message = self.router.receive(text, Some(id)).await;
        let message = message.ok_or(StreamableHttpError::UnexpectedServerResponse("no response".into()))?;
        Ok(StreamableHttpPostResponse::Json(serde_json::from_str(&message)?, new_session))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let request = Request::builder().method(Method::DELETE).uri(&*uri);
        let response = self.send(request, Some(&session), headers, Bytes::new(), None).await?;
        let status = response.status();
        let gone = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_FOUND];
        if status.is_success() || gone.contains(&status) { Ok(()) } else { Err(Fault::Status(status).into()) }
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        self.get_stream_with_max_sse_event_size(uri, session, last_event, token, headers, MAX_MESSAGE).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
        limit: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let mut request = Request::get(&*uri).header(ACCEPT, EVENTS);
        if let Some(id) = last_event {
            request = request.header(LAST_EVENT, id);
        }
        let response = self.send(request, session.as_deref(), headers, Bytes::new(), None).await?;
        match response.status() {
            status if status.is_success() && is_of_type(&response, "text/event-stream") => {
                Ok(self.events(response.into_body(), limit, None))
            }
            // There is nothing to hear, so asking again is of no use. A session that is
            // forgotten is noticed by the next call.
            status if status.is_success() || status.is_client_error() => {
                Err(StreamableHttpError::ServerDoesNotSupportSse)
            }
            status => Err(Fault::Status(status).into()),
        }
    }
}

impl HttpClient {
    /// What an upstream says that does not serve a request.
    async fn refused(
        &self,
        response: Response<Incoming>,
        id: i64,
        has_session: bool,
        is_probe: bool,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status();
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        let is_access = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if is_access || (status.is_server_error() && !is_of_type(&response, "application/json")) {
            return Err(Fault::Status(status).into());
        }
        let body = whole(response.into_body(), MAX_ERROR).await.unwrap_or_default();
        let text = error_of(&body, id).or_else(|| {
            // Whatever refuses the probe of the modern era does not know it.
            (is_probe && status.is_client_error()).then(|| {
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32600,"message":"HTTP {status}"}}}}"#
                )
            })
        });
        let text = text.ok_or(Fault::Status(status))?;
        let message = self.router.receive(&text, Some(id)).await.ok_or(Fault::Status(status))?;
        Ok(StreamableHttpPostResponse::Json(serde_json::from_str(&message)?, None))
    }
}

/// The error that a body holds, under the id of the request that it answers.
fn error_of(body: &[u8], id: i64) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let refused: Refused<'_> = serde_json::from_slice(body).ok()?;
    refused.error.get().starts_with('{').then(|| wire::own_response(id, wire::Outcome::Error(refused.error)))
}

/// What a request has that `rmcp` does not look at.
fn parts_of(message: &ClientJsonRpcMessage) -> Option<&OutgoingParts> {
    let JsonRpcMessage::Request(request) = message else { return None };
    let ClientRequest::CustomRequest(custom) = &request.request else { return None };
    custom.extensions.get::<Outgoing>().map(|Outgoing(parts)| &**parts)
}
