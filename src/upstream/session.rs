//! A session with an upstream: one child, or what goes under one session id.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use rmcp::RoleClient;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientCapabilities, ClientConfig, ClientResult,
    CustomRequest, CustomResult, ErrorCode as RmcpCode, ErrorData, Implementation, PingRequest,
    ProtocolVersion, RequestId, ServerNotification, ServerPeerInfo, ServerRequest, SubscriptionFilter,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, Peer, RequestContext, RunningService, Service,
    serve_client_with_lifecycle,
};
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpClientWorker,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::builder::Settings;
use super::counters::Counters;
use super::http::{Connections, HttpClient};
use super::lists::Lists;
use super::router::{Ask, Closing, Notices, Router};
use super::stdio::{MAX_MESSAGE, Stdio};
use super::target::Target;
use super::wire::{ASK, Asked};
use crate::protocol::Era;

/// How many cancellations wait to be sent; those beyond are not.
const CANCELLATIONS: usize = 256;
const CANCELLATION_LIMIT: Duration = Duration::from_secs(5);
/// How many POSTs of one session may wait for their first byte.
const MOST_POSTS: usize = 1024;

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
    pub(super) peer: Peer<RoleClient>,
    pub(super) cancellations: mpsc::Sender<RequestId>,
    pub(super) in_use: AtomicUsize,
    last_used: Mutex<Instant>,
    pub(super) was_good: AtomicBool,
    has_ended: watch::Receiver<bool>,
    pub(super) counters: Arc<Counters>,
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
                config.retry_config = Arc::new(resumption());
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

/// How often a broken stream is resumed, before its call fails.
fn resumption() -> ExponentialBackoff {
    let mut resumption = ExponentialBackoff::default();
    resumption.max_times = Some(5);
    resumption.base_duration = Duration::from_millis(200);
    resumption.max_delay = Some(Duration::from_secs(2));
    resumption
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

    pub(super) fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
