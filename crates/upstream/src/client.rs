//! The client's side of one connection: requests, and waiting for their outcomes.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::connection::Connection;
use super::failure::Failure;
use super::inbox::{Inbox, Next};
use super::message::{self, Params};
use super::meta;
use super::transport::{Parcel, Transport};
use mcp_stateless::protocol::{Era, Revision, header_value};

const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The revision of the modern era that is spoken.
pub(super) const MODERN: Revision = Revision::V2026_07_28;

/// A request to an upstream.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) params: Params,
    /// Members of `_meta`, which win over the client's own.
    pub(super) meta: Map<String, Value>,
    /// What a header of the modern era names.
    pub(super) name: Option<String>,
    /// The headers that repeat arguments.
    pub(super) mirrored: Vec<(HeaderName, HeaderValue)>,
    /// The headers of the caller that are passed on; `None` when no caller made the request.
    pub(super) caller: Option<HeaderMap>,
    /// Whether progress, log messages and questions may come for it.
    pub(super) is_call: bool,
}

impl Request {
    pub(super) fn new(method: &'static str, params: Params) -> Self {
        let (meta, name, mirrored, caller) = Default::default();
        Self { method, params, meta, name, mirrored, caller, is_call: false }
    }

    /// In the name of the caller with these headers.
    pub(super) fn of(mut self, caller: &HeaderMap) -> Self {
        self.caller = Some(caller.clone());
        self
    }
}

/// The client's side of one connection.
pub(super) struct Client {
    pub(super) connection: Arc<Connection>,
    pub(super) transport: Transport,
    era: OnceLock<Era>,
}

/// What clients can do is found out when they are asked.
pub(super) fn capabilities() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}})
}

pub(super) fn client_info() -> Value {
    json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")})
}

impl Client {
    pub(super) fn new(connection: Arc<Connection>, transport: Transport) -> Arc<Self> {
        Arc::new(Self { connection, transport, era: OnceLock::new() })
    }

    /// Settles what is spoken from now on.
    pub(super) fn adopt(&self, era: Era, revision: &str) {
        let _ = self.era.set(era);
        self.transport.adopt(era, revision);
    }

    fn era(&self) -> Era {
        self.era.get().copied().unwrap_or(Era::Legacy)
    }

    /// Sends a request as it is settled. Whatever goes wrong is its outcome.
    pub(super) async fn send(self: &Arc<Self>, request: Request) -> Pending {
        // Over HTTP in the modern era, closing its stream cancels a request.
        let is_told = !(self.transport.is_http() && self.era() == Era::Modern);
        let left = if is_told { Left::Cancels } else { Left::Closes };
        self.send_in(self.era(), request, left).await
    }

    /// Sends a request of the opening, which is never cancelled.
    pub(super) async fn open(self: &Arc<Self>, era: Era, request: Request) -> Pending {
        self.send_in(era, request, Left::Closes).await
    }

    async fn send_in(self: &Arc<Self>, era: Era, request: Request, left: Left) -> Pending {
        let Request { method, params, meta, name, mirrored, caller, is_call } = request;
        let inbox = Arc::new(Inbox::default());
        let id = self.connection.register(&inbox, is_call);
        let pending = Pending { client: Arc::clone(self), id, inbox, left: Some(left) };
        let mut members = Map::new();
        if is_call {
            members.insert(meta::PROGRESS_TOKEN.to_owned(), id.into());
        }
        if era == Era::Modern {
            members.insert(meta::PROTOCOL_VERSION.to_owned(), MODERN.as_str().into());
            members.insert(meta::CLIENT_INFO.to_owned(), client_info());
            members.insert(meta::CLIENT_CAPABILITIES.to_owned(), capabilities());
        }
        members.extend(meta);
        let headers = match era {
            Era::Modern if self.transport.is_http() => headers(method, name.as_deref(), mirrored),
            _ => Vec::new(),
        };
        let parcel = Parcel {
            id,
            text: message::request(id, method, params, &members),
            caller,
            headers,
            is_initialize: method == "initialize",
            is_resumable: era == Era::Legacy,
        };
        if let Err(failure) = self.transport.send(parcel, &self.connection).await {
            self.connection.fail(id, failure);
        }
        pending
    }

    /// Sends a message that has no answer.
    ///
    /// # Errors
    /// When the upstream does not take it.
    pub(super) async fn notify(&self, method: &str) -> Result<(), Failure> {
        self.transport.notify(message::notification(method, None), &self.connection).await
    }
}

/// The headers of the modern era, which repeat the body.
fn headers(
    method: &'static str,
    name: Option<&str>,
    mirrored: Vec<(HeaderName, HeaderValue)>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = mirrored;
    headers.push((REVISION, HeaderValue::from_static(MODERN.as_str())));
    headers.push((METHOD, HeaderValue::from_static(method)));
    headers.extend(name.map(|name| (NAME, header_value(name))));
    headers
}

/// What leaving a request does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Its stream is closed, and its answer dropped.
    Closes,
    /// The same after a while, with a cancellation, unless it is answered before.
    Cancels,
}

/// A request without its outcome. Dropping it abandons it.
pub(super) struct Pending {
    client: Arc<Client>,
    pub(super) id: i64,
    inbox: Arc<Inbox>,
    /// `None` once the outcome has come.
    left: Option<Left>,
}

impl Pending {
    /// The next thing to happen.
    pub(super) async fn next(&mut self) -> Next {
        let next = self.inbox.next().await;
        if matches!(next, Next::Outcome(_)) {
            self.left = None;
        }
        next
    }

    /// Waits for the outcome alone.
    pub(super) async fn outcome(mut self) -> Result<String, Failure> {
        loop {
            if let Next::Outcome(outcome) = self.next().await {
                return outcome;
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(left) = self.left {
            self.client.connection.abandon(self.id, left == Left::Cancels);
        }
    }
}
