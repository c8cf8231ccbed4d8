//! Requests that an upstream works on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use rmcp::ServiceError;
use rmcp::model::{ClientRequest, CustomRequest, RequestId, ServerResult};
use rmcp::service::PeerRequestOptions;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::http::Fault;
use super::router::{Closing, Event};
use super::session::Session;
use super::wire::{Outgoing, OutgoingParts, unwrap_response};
use crate::rpc::{ErrorCode, RpcError};

/// Why a request has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The upstream's own error, or what is to be said in its place.
    Rpc(RpcError),
    /// The upstream knows the session no more, and has not done anything.
    Forgotten,
    /// The session is over, or its answer is lost.
    Lost,
    /// The upstream is there, but this request failed.
    Failed(String),
}

/// Somebody uses the session, which so is not closed to make room.
pub(super) struct Lease(pub(super) Arc<Session>);

impl Lease {
    pub(super) fn new(session: &Arc<Session>) -> Self {
        session.in_use.fetch_add(1, Ordering::AcqRel);
        session.touch();
        Self(Arc::clone(session))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_use.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lease {
    /// Sends a request; what comes of it is up to the [`Pending`].
    pub(super) async fn send(
        self,
        method: &'static str,
        params: Map<String, Value>,
        parts: OutgoingParts,
        events: Option<mpsc::Receiver<Event>>,
    ) -> Result<Pending, Failure> {
        let mut request = CustomRequest::new(method, Some(params.into()));
        request.extensions.insert(Outgoing(Arc::new(parts)));
        let request = ClientRequest::CustomRequest(request);
        let handle = self.0.peer.send_request_with_option(request, PeerRequestOptions::no_options());
        let handle = handle.await.map_err(|_| Failure::Lost)?;
        self.0.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Pending { lease: self, id: handle.id, response: Some(handle.rx), result: None, events })
    }

    /// Sends a request that needs nothing of its caller, and waits for the text of the
    /// result.
    pub(super) async fn request(
        &self,
        method: &'static str,
        params: Map<String, Value>,
        headers: &HeaderMap,
    ) -> Result<String, Failure> {
        let parts = OutgoingParts { headers: headers.clone(), ..OutgoingParts::default() };
        Self::new(&self.0).send(method, params, parts, None).await?.result().await
    }
}

/// A request that the upstream works on. Dropping it cancels it there.
pub(super) struct Pending {
    lease: Lease,
    id: RequestId,
    /// `None` once it has come.
    response: Option<oneshot::Receiver<Result<ServerResult, ServiceError>>>,
    /// What came, while something that was sent before it is still to be handed out, and how
    /// much of that there is.
    result: Option<(Result<String, Failure>, usize)>,
    events: Option<mpsc::Receiver<Event>>,
}

/// What comes next of a request.
pub(super) enum Next {
    Event(Event),
    /// The text of the result. After it nothing comes.
    Result(Result<String, Failure>),
}

impl Pending {
    /// The session that it is of.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.lease.0
    }

    /// The next thing to happen.
    pub(super) async fn next(&mut self) -> Next {
        if self.result.is_none()
            && let Some(event) = self.event_before_result().await
        {
            return Next::Event(event);
        }
        if let (Some((_, before)), Some(events)) = (&mut self.result, &mut self.events)
            && *before > 0
            && let Ok(event) = events.try_recv()
        {
            *before -= 1;
            return Next::Event(event);
        }
        Next::Result(self.result.take().map_or(Err(Failure::Lost), |(result, _)| result))
    }

    /// The next event; `None` when the result has come.
    async fn event_before_result(&mut self) -> Option<Event> {
        let response = self.response.as_mut()?;
        let events = &mut self.events;
        let event = async {
            match events {
                Some(events) => events.recv().await,
                None => None,
            }
        };
        // A result that is there before the session's end counts.
        let response = tokio::select! {
            biased;
            response = response => response.unwrap_or(Err(ServiceError::TransportClosed)),
            Some(event) = event => return Some(event),
            () = self.lease.0.router.closed() => Err(ServiceError::TransportClosed),
        };
        self.response = None;
        let before = self.events.as_ref().map_or(0, mpsc::Receiver::len);
        self.result = Some((self.lease.0.read(response), before));
        None
    }

    /// Waits for the result alone.
    pub(super) async fn result(mut self) -> Result<String, Failure> {
        loop {
            if let Next::Result(result) = self.next().await {
                return result;
            }
        }
    }
}

impl Session {
    fn read(&self, result: Result<ServerResult, ServiceError>) -> Result<String, Failure> {
        match result {
            Ok(ServerResult::CustomResult(result)) => {
                self.was_good.store(true, Ordering::Relaxed);
                unwrap_response(&result.0).map(str::to_owned).map_err(Failure::Rpc)
            }
            Ok(_) => Err(Failure::Failed("its answer cannot be read".to_owned())),
            Err(ServiceError::TransportSend(error)) => {
                Err(match error.error.downcast_ref::<StreamableHttpError<Fault>>() {
                    Some(StreamableHttpError::SessionExpired) => Failure::Forgotten,
                    Some(StreamableHttpError::Client(Fault::Connect(_))) => {
                        // Whoever comes next tries anew.
                        self.close(Closing::Now);
                        Failure::Lost
                    }
                    Some(other) => Failure::Failed(other.to_string()),
                    None => Failure::Lost,
                })
            }
            Err(ServiceError::McpError(error)) => {
                let code = ErrorCode(error.code.0.into());
                Err(Failure::Rpc(RpcError::new(code, error.message)))
            }
            Err(_) => Err(Failure::Lost),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // First, so that it is not registered any more from here on.
        self.events = None;
        let session = &self.lease.0;
        session.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let RequestId::Number(id) = self.id {
            session.router.forget(id);
        }
        if self.response.is_some() {
            // Beyond the bound the upstream is only not told.
            let _ = session.cancellations.try_send(self.id.clone());
        }
    }
}
