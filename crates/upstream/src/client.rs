//! The client side of one connection: sending requests and awaiting their outcomes.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};

use http::{HeaderMap, HeaderName, HeaderValue};
use mcp_stateless::CallContext;
use mcp_stateless::protocol::{Era, Revision, header_value};
use serde_json::value::RawValue;
use tokio::runtime::Handle;

use super::connection::Connection;
use super::failure::Failure;
use super::inbox::{Inbox, Next};
use super::message::{self, Members, Meta, Params};
use super::meta;
use super::observe::{Observable, Observed, ObservedSession, revision_of};
use super::settings::Settings;
use super::tasks::Aborting;
use super::transport::{Exchange, Parcel, Transport};

const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The revision that is used in the modern era.
pub(super) const MODERN: Revision = Revision::V2026_07_28;
const MODERN_JSON: &str = r#""2026-07-28""#;

/// A request to an upstream.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) params: Params,
    /// Members of `_meta`, in addition to those that this client sets.
    pub(super) meta: Members,
    /// The trace that a call belongs to.
    pub(super) trace: Option<Trace>,
    /// The capabilities of the caller's client; `None` for [`CAPABILITIES`].
    pub(super) capabilities: Option<Box<RawValue>>,
    /// The value of the header `Mcp-Name` of the modern era.
    pub(super) name: Option<String>,
    /// The headers that repeat arguments.
    pub(super) mirrored: Vec<(HeaderName, HeaderValue)>,
    /// The forwarded headers of the caller; `None` for requests without a caller.
    pub(super) caller: Option<HeaderMap>,
    /// Whether the upstream may send progress, log messages and questions for it.
    pub(super) is_call: bool,
}

impl Request {
    pub(super) fn new(method: &'static str, params: Params) -> Self {
        let (meta, trace, capabilities, name, mirrored, caller) = Default::default();
        Self { method, params, meta, trace, capabilities, name, mirrored, caller, is_call: false }
    }

    /// Sets the forwarded headers of the caller.
    pub(super) fn of(mut self, caller: &HeaderMap) -> Self {
        self.caller = Some(caller.clone());
        self
    }
}

/// The trace that a call belongs to.
pub(super) struct Trace {
    pub(super) cx: CallContext,
    /// The trace context that the client sent, as members of `_meta`.
    pub(super) own: Members,
    /// Whether the target is in the upstream's lists.
    pub(super) is_known: bool,
}

/// The client side of one connection.
pub(super) struct Client {
    pub(super) connection: Arc<Connection>,
    pub(super) transport: Transport,
    settings: Arc<Settings>,
    era: OnceLock<Era>,
    /// The name of the revision in use, once it is known.
    revision: OnceLock<&'static str>,
    /// Set while the session is open.
    session: Mutex<Option<ObservedSession>>,
}

/// The capabilities that this client declares. What the caller's client really supports is checked
/// when it is asked.
pub(super) const CAPABILITIES: &str =
    r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#;

impl Client {
    pub(super) fn new(
        connection: Arc<Connection>,
        transport: Transport,
        settings: Arc<Settings>,
    ) -> Arc<Self> {
        let (era, revision, session) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Arc::new(Self { connection, transport, settings, era, revision, session })
    }

    /// Sets the era and the revision of all later requests.
    pub(super) fn adopt(&self, era: Era, revision: &str) {
        let _ = self.era.set(era);
        let _ = self.revision.set(revision_of(revision));
        self.transport.adopt(era, revision);
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(ObservedSession::begin(&self.settings));
    }

    /// Records the end of the session.
    pub(super) fn ended(&self) {
        drop(self.session.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Returns the JSON of this client's `clientInfo`.
    pub(super) fn info(&self) -> &str {
        &self.settings.client_info
    }

    fn era(&self) -> Era {
        self.era.get().copied().unwrap_or(Era::Legacy)
    }

    /// Sends a request in the era that was chosen. Failures become its outcome.
    pub(super) async fn send(self: &Arc<Self>, request: Request) -> Pending {
        // Over HTTP in the modern era, closing the stream of a request cancels it.
        let is_told = !(self.transport.is_http() && self.era() == Era::Modern);
        let left = if is_told { Left::Cancels } else { Left::Closes };
        self.send_in(self.era(), request, left).await
    }

    /// Sends a request of the handshake, which is never cancelled.
    pub(super) async fn open(self: &Arc<Self>, era: Era, request: Request) -> Pending {
        self.send_in(era, request, Left::Closes).await
    }

    async fn send_in(self: &Arc<Self>, era: Era, request: Request, left: Left) -> Pending {
        let Request { method, params, mut meta, trace, capabilities, name, mirrored, caller, is_call } =
            request;
        let inbox = Arc::new(Inbox::default());
        let id = self.connection.register(&inbox, is_call);
        let usual = if era == Era::Modern { MODERN } else { Revision::V2025_11_25 };
        let revision = self.revision.get().copied().unwrap_or(usual.as_str());
        let target = name.as_deref().map(|name| (name, trace.as_ref().is_some_and(|trace| trace.is_known)));
        let observed = Observed::begin(&Observable { id, method, target, revision }, &self.settings);
        if let Some(Trace { cx, own, .. }) = trace {
            match observed.in_span(|| cx.trace_context()) {
                Some(context) => context.iter().for_each(|(name, value)| meta.push(name, value)),
                None => meta.append(&own),
            }
        }
        let mut pending =
            Pending { client: Arc::clone(self), id, inbox, exchange: None, left: Some(left), observed };
        let modern = [
            (meta::PROTOCOL_VERSION, MODERN_JSON),
            (meta::CLIENT_INFO, self.info()),
            (meta::CLIENT_CAPABILITIES, capabilities.as_deref().map_or(CAPABILITIES, RawValue::get)),
        ];
        let fixed: &[_] = if era == Era::Modern { &modern } else { &[] };
        let meta = Meta { token: is_call.then_some(id), fixed, own: meta };
        let headers = match era {
            Era::Modern if self.transport.is_http() => headers(method, name.as_deref(), mirrored),
            _ => Vec::new(),
        };
        let parcel = Parcel {
            id,
            text: message::request(id, method, params, &meta),
            caller,
            headers,
            is_initialize: method == "initialize",
            is_resumable: era == Era::Legacy,
        };
        if self.connection.is_waiting(id) {
            match self.transport.send(parcel).await {
                Ok(exchange) => pending.exchange = exchange,
                Err(failure) => self.connection.fail(id, failure),
            }
        }
        pending
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// Returns an error if the upstream does not accept it.
    pub(super) async fn notify(&self, method: &'static str) -> Result<(), Failure> {
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

/// What happens when a caller abandons its request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Its stream is closed, and its response ignored.
    Closes,
    /// The same after a while, with a cancellation, unless the response arrives before.
    Cancels,
}

/// A request that waits for its outcome. Dropping it abandons the request.
pub(super) struct Pending {
    client: Arc<Client>,
    pub(super) id: i64,
    inbox: Arc<Inbox>,
    /// The future that makes the request, if the transport needs one. `None` once it has completed or
    /// runs in a task.
    exchange: Option<Exchange>,
    /// `None` once the outcome has arrived.
    left: Option<Left>,
    observed: Observed,
}

impl Pending {
    /// Whether the outcome has arrived. Events may still be queued before it.
    pub(super) fn is_answered(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.inbox.is_finished()
    }

    /// Waits for the next event or the outcome.
    pub(super) async fn next(&mut self) -> Next {
        let next = poll_fn(|cx| {
            self.drive(cx);
            self.inbox.poll_next(cx)
        });
        let next = next.await;
        if let Next::Outcome(outcome) = &next {
            self.left = None;
            self.observed.end(outcome);
        }
        next
    }

    /// Waits for the outcome, and drops all events.
    pub(super) async fn outcome(mut self) -> Result<String, Failure> {
        loop {
            if let Next::Outcome(outcome) = self.next().await {
                return outcome;
            }
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(exchange) = &mut self.exchange {
            // The inbox is polled right after this, so the exchange need not wake this task.
            self.inbox.forget_waker();
            if exchange.as_mut().poll(cx).is_ready() {
                self.exchange = None;
            }
        }
    }

    /// Continues the request in a task.
    pub(super) fn detach(&mut self) {
        // Outside a runtime, for example when it shuts down, nothing could drive it.
        if let Some(exchange) = self.exchange.take()
            && Handle::try_current().is_ok()
        {
            self.client.connection.attach(self.id, Aborting::spawn(exchange));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(left) = self.left
            && self.client.connection.abandon(self.id, left == Left::Cancels)
        {
            self.detach();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPABILITIES, MODERN, MODERN_JSON};

    #[test]
    fn what_this_side_says_is_json() {
        assert_eq!(MODERN_JSON, format!("{:?}", MODERN.as_str()));
        let object: serde_json::Value = serde_json::from_str(CAPABILITIES).expect("JSON");
        assert!(object.is_object());
        assert_eq!(object.to_string().len(), CAPABILITIES.len(), "not compact");
    }
}
