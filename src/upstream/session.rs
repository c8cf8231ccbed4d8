//! A session with an upstream: one child, or what goes under one session id.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientCapabilities, ClientConfig, ClientRequest,
    ClientResult, CustomRequest, CustomResult, ErrorCode as RmcpCode, ErrorData, Implementation, PingRequest,
    ProtocolVersion, RequestId, ServerNotification, ServerPeerInfo, ServerRequest, ServerResult,
    SubscriptionFilter,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, Peer, PeerRequestOptions, RequestContext, RunningService,
    Service, serve_client_with_lifecycle,
};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpClientWorker, StreamableHttpError,
};
use rmcp::{RoleClient, ServiceError};
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::builder::Settings;
use super::counters::Counters;
use super::http::{Connections, Fault, HttpClient};
use super::lists::Lists;
use super::router::{Ask, Closing, Event, Notices, Router};
use super::stdio::{MAX_MESSAGE, Stdio};
use super::target::Target;
use super::wire::{ASK, Asked, Outgoing, OutgoingParts, unwrap_response};
use crate::protocol::Era;
use crate::rpc::RpcError;

/// How many cancellations wait to be sent; those beyond are not.
const CANCELLATIONS: usize = 256;
const CANCELLATION_LIMIT: Duration = Duration::from_secs(5);
/// How many POSTs of one session may wait for their first byte.
const MOST_POSTS: usize = 1024;

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

/// What an upstream told at the opening of a session.
#[derive(Debug)]
pub(super) struct About {
    pub(super) peer: Arc<ServerPeerInfo>,
    pub(super) capabilities: Value,
    pub(super) era: Era,
}

/// A session that is open, until it ends of itself or is closed.
pub(super) struct Session {
    /// Not the protocol's: tells it from others of this process.
    pub(super) id: u64,
    pub(super) about: About,
    pub(super) router: Arc<Router>,
    pub(super) lists: Lists,
    peer: Peer<RoleClient>,
    cancellations: mpsc::Sender<RequestId>,
    in_use: AtomicUsize,
    last_used: Mutex<Instant>,
    was_good: AtomicBool,
    has_ended: watch::Receiver<bool>,
    counters: Arc<Counters>,
}

/// Reads the questions of an upstream out of `rmcp`.
struct Questions(Arc<Router>);

impl Service<RoleClient> for Questions {
    async fn handle_request(
        &self,
        request: ServerRequest,
        context: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        match request {
            ServerRequest::PingRequest(PingRequest { .. }) => Ok(ClientResult::empty(())),
            ServerRequest::CustomRequest(request) if request.method == ASK => tokio::select! {
                answer = self.ask(request) => answer,
                () = context.ct.cancelled() => Err(ErrorData::internal_error("The question is withdrawn", None)),
                () = self.0.closed() => Err(ErrorData::internal_error("The session is over", None)),
            },
            _ => Err(method_not_found()),
        }
    }

    async fn handle_notification(
        &self,
        _: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        // What the clients can do is found out when they are asked.
        let capabilities = json!({
            "elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {},
        });
        let capabilities: ClientCapabilities = serde_json::from_value(capabilities).unwrap_or_default();
        let us = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, us).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}

impl Questions {
    async fn ask(&self, request: CustomRequest) -> Result<ClientResult, ErrorData> {
        let Ok(Some(Asked { method, params, origin })) = request.params_as() else {
            return Err(method_not_found());
        };
        if !["elicitation/create", "sampling/createMessage", "roots/list"].contains(&&*method) {
            return Err(method_not_found());
        }
        let (reply, answer) = oneshot::channel();
        let ask = Ask { method, params: params.unwrap_or_default(), reply };
        let nobody = || ErrorData::invalid_request("No call is under way that could be asked", None);
        self.0.ask(ask, origin).await.ok_or_else(nobody)?;
        match answer.await {
            Ok(Ok(answer)) => Ok(ClientResult::CustomResult(CustomResult(answer))),
            Ok(Err(error)) => {
                let code = i32::try_from(error.code().0).map_or(RmcpCode::INTERNAL_ERROR, RmcpCode);
                let data = error.data().and_then(|data| serde_json::from_str(data).ok());
                Err(ErrorData::new(code, error.message().to_owned(), data))
            }
            Err(_) => Err(ErrorData::internal_error("The call that was asked is over", None)),
        }
    }
}

fn method_not_found() -> ErrorData {
    ErrorData::new(RmcpCode::METHOD_NOT_FOUND, "Method not found", None)
}

/// What opening a session needs.
pub(super) struct Opening {
    pub(super) id: u64,
    pub(super) settings: Arc<Settings>,
    pub(super) connections: Option<Connections>,
    pub(super) notices: Box<dyn Notices>,
    pub(super) counters: Arc<Counters>,
    /// Where the session takes its place from.
    pub(super) room: Arc<Semaphore>,
    /// The headers of the caller for whom it is opened.
    pub(super) headers: HeaderMap,
    /// The era that the upstream was of the last time.
    pub(super) era: Option<Era>,
}

impl Opening {
    /// Opens the session. `ended` is run when it is over, however that comes.
    ///
    /// # Errors
    /// Says why it cannot be opened, for the log.
    pub(super) async fn open(self, ended: impl FnOnce() + Send + 'static) -> Result<Arc<Session>, String> {
        let place = self.room.acquire_owned().await.map_err(|error| error.to_string())?;
        let router = Router::new(self.notices, Arc::clone(&self.counters), place);
        let questions = Questions(Arc::clone(&router));
        let lifecycle = match self.era {
            Some(Era::Legacy) => ClientLifecycleMode::Initialize,
            _ => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
        };
        let service = match (&self.settings.target, &self.connections) {
            (Target::Http { url, headers, .. }, Some(connections)) => {
                let fixed = Arc::new(headers.clone());
                let client = HttpClient::new(connections.clone(), Arc::clone(&router), fixed, self.headers);
                let mut config = StreamableHttpClientTransportConfig::with_uri(&**url);
                config.reinit_on_expired_session = false;
                config.allow_stateless = true;
                config.max_sse_event_size = MAX_MESSAGE;
                config.max_concurrent_requests = MOST_POSTS;
                let worker = StreamableHttpClientWorker::new(client, config);
                serve_client_with_lifecycle(questions, worker, lifecycle).await
            }
            (Target::Stdio(program), _) => {
                let child = Stdio::start(program, &router, &self.settings.name);
                let child = child.map_err(|error| format!("it cannot be started: {error}"))?;
                serve_client_with_lifecycle(questions, child, lifecycle).await
            }
            (Target::Http { .. }, None) => return Err("it has no connections".to_owned()),
        };
        let service = service.map_err(|error| error.to_string())?;
        let session = begin(self.id, service, router, self.counters, ended);
        session.ok_or_else(|| "it tells nothing of itself".to_owned())
    }
}

/// Begins to attend to a session that is open.
fn begin(
    id: u64,
    service: RunningService<RoleClient, Questions>,
    router: Arc<Router>,
    counters: Arc<Counters>,
    ended: impl FnOnce() + Send + 'static,
) -> Option<Arc<Session>> {
    let peer = service.peer().clone();
    let about = peer.peer_info()?;
    let era = if about.protocol_version.has_initialize() { Era::Legacy } else { Era::Modern };
    let (cancellations, to_cancel) = mpsc::channel(CANCELLATIONS);
    let (end, has_ended) = watch::channel(false);
    let filter = subscription(&about, era);
    let for_task = Arc::clone(&router);
    tokio::spawn(async move {
        attend(service, to_cancel, &for_task, filter).await;
        for_task.close(Closing::Now);
        ended();
        end.send_replace(true);
    });
    Some(Arc::new(Session {
        id,
        about: About {
            capabilities: serde_json::to_value(&about.capabilities).unwrap_or_default(),
            peer: about,
            era,
        },
        router,
        lists: Lists::default(),
        peer,
        cancellations,
        in_use: AtomicUsize::new(0),
        last_used: Mutex::new(Instant::now()),
        was_good: AtomicBool::new(false),
        has_ended,
        counters,
    }))
}

/// What an upstream of the modern era is asked to tell of.
fn subscription(about: &ServerPeerInfo, era: Era) -> Option<SubscriptionFilter> {
    let has = &about.capabilities;
    let mut filter = SubscriptionFilter::new();
    filter.tools_list_changed = has.tools.as_ref().and_then(|it| it.list_changed).filter(|it| *it);
    filter.prompts_list_changed = has.prompts.as_ref().and_then(|it| it.list_changed).filter(|it| *it);
    filter.resources_list_changed = has.resources.as_ref().and_then(|it| it.list_changed).filter(|it| *it);
    (era == Era::Modern && filter != SubscriptionFilter::new()).then_some(filter)
}

/// Lives as long as the session.
async fn attend(
    service: RunningService<RoleClient, Questions>,
    mut to_cancel: mpsc::Receiver<RequestId>,
    router: &Router,
    filter: Option<SubscriptionFilter>,
) {
    let peer = service.peer().clone();
    let token = service.cancellation_token();
    let mut service = Box::pin(service.waiting());
    let mut listening = Box::pin(async {
        // What it hears is heard by the router, before it gets here.
        if let Some(filter) = filter
            && let Ok(mut subscription) = peer.listen(filter).await
        {
            while let Ok(Some(_)) = subscription.next().await {}
        }
        std::future::pending::<()>().await;
    });
    loop {
        tokio::select! {
            _ = &mut service => return,
            () = router.closed() => break,
            () = &mut listening => {}
            id = to_cancel.recv() => match id {
                Some(id) => {
                    let params = CancelledNotificationParam::new(Some(id), None);
                    let cancelled = CancelledNotification::new(params);
                    let _ = timeout(CANCELLATION_LIMIT, peer.send_notification(cancelled.into())).await;
                }
                // Nobody has the session any more.
                None => break,
            },
        }
    }
    drop(listening);
    router.close(Closing::Gently);
    token.cancel();
    let _ = service.await;
}

impl Session {
    pub(super) fn close(&self, how: Closing) {
        self.router.close(how);
    }

    /// Waits until nothing of the session is left.
    pub(super) async fn ended(&self) {
        let mut has_ended = self.has_ended.clone();
        // It has also ended when nobody is left to say so.
        let _ = has_ended.wait_for(|has_ended| *has_ended).await;
    }

    /// Whether it has ever answered.
    pub(super) fn was_good(&self) -> bool {
        self.was_good.load(Ordering::Relaxed)
    }

    /// Since when nobody uses it; `None` while somebody does.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.in_use.load(Ordering::Acquire) == 0;
        is_idle.then(|| *self.last_used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
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
        if self.result.is_none() {
            if let Some(event) = self.event_before_result().await {
                return Next::Event(event);
            }
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
                let code = crate::rpc::ErrorCode(error.code.0.into());
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
