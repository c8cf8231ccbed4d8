//! The manager: one function from a request to its response.

use std::convert::Infallible;
use std::fmt;
use std::future::{poll_fn, ready};
use std::mem::take;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};

use crate::http::admit::{self, Admitted};
use crate::http::{Accepts, Fields, HttpFault, VersionHeader, read};
#[cfg(feature = "ask")]
use crate::observe::{ObservedRef, PendingObserved};
use crate::registry::Registry;
use crate::reply::{Body, Dispatcher, PendingBody, Reply, respond, take_head};
use crate::request::{Refusal, Rejection, Valid, agree, unread_id};
use crate::settings::Settings;

/// The maximum part of the time for shutting down that is reserved for marking tasks as failed.
#[cfg(feature = "tasks")]
const GIVING_UP: Duration = Duration::from_secs(5);

/// Serves MCP over Streamable HTTP without sessions: a request contains everything needed to
/// answer it, so any replica can.
///
/// One manager serves all clients of both eras. Clones are handles to the same manager. It does
/// not listen on a socket, spawns no tasks, and depends on no server framework:
/// [`handle`](Self::handle) takes a request and returns a response. `McpService` wraps a manager
/// for hyper, axum and tower (features `hyper` and `tower`).
///
/// ```
/// use http::Request;
/// use mcp_stateless::{StatelessSessionManager, ToolRegistry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = ToolRegistry::builder().tool("greet", "Say hello", async || "Hello").build()?;
/// let manager = StatelessSessionManager::builder("greeter", "1.0.0").build()?;
///
/// let request = Request::post("http://localhost/mcp")
///     .header("content-type", "application/json")
///     .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet"}}"#.to_owned())?;
/// let response = manager.handle(request, &tools).await;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StatelessSessionManager {
    settings: Arc<Settings>,
}

impl StatelessSessionManager {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Answers a request with the tools, prompts and resources of `registry`.
    ///
    /// The request may have any type of body and any path. There is always a response: a faulty
    /// request gets a JSON-RPC error with the appropriate status, and a tool that fails gets a
    /// result with `isError` (2026-07-28, Transports, "Streamable HTTP").
    ///
    /// The tool runs inside this future or, once it has sent a notification, inside the response's
    /// body. Dropping either cancels the call. No task is spawned, unless the tool is
    /// [detached](crate::Tool::detached).
    ///
    /// The future borrows the manager and the registry, and is [`Send`] if the request's body is. It
    /// counts no references to either, so threads that share them do not slow each other down.
    ///
    /// Timeouts use the timer of the Tokio runtime that polls the future. It must be enabled, which
    /// `#[tokio::main]` does. Outside a Tokio runtime there are no timeouts.
    ///
    /// # What the host must bound
    ///
    /// The response's body makes progress, and its tool's time limit applies, only while the server
    /// polls it. A server stops polling when its client does not read, so it must close such
    /// connections, or their tools wait forever. It must also limit the number of connections, the
    /// time to send a head, and idle time, none of which this function can see. The module `serve`
    /// (feature `serve`) does all of this; `axum::serve` does none of it.
    pub fn handle<'r, B, R>(
        &'r self,
        request: Request<B>,
        registry: &'r R,
    ) -> impl Future<Output = Response<Body>> + use<'r, B, R>
    where
        B: http_body::Body,
        R: Registry + ?Sized,
    {
        self.handle_with(request, move |_| ready(Ok(registry)))
    }

    /// Answers a request with the registry that `choose` returns for its head: for example, that of
    /// a tenant, or of a user that the host's middleware has put into the head's extensions.
    ///
    /// `choose` is called after the head has been checked, and before the body is read. If it
    /// refuses the request, the refusal becomes the response.
    pub fn handle_with<B, R, C, F>(
        &self,
        request: Request<B>,
        choose: C,
    ) -> impl Future<Output = Response<Body>> + use<'_, B, R, C, F>
    where
        B: http_body::Body,
        R: Registry,
        C: FnOnce(&Parts) -> F,
        F: Future<Output = Result<R, Refusal>>,
    {
        // Split outside the future: values moved into a future are stored twice.
        let (mut head, body) = request.into_parts();
        async move {
            match answer(&self.settings, &mut head, body, choose).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    }

    /// Shuts down gracefully. New requests get 503, subscriptions end at once with their result
    /// (2026-07-28, Patterns, "Graceful Closure"), and calls in flight, including
    /// [detached](crate::Tool::detached) ones, may finish until `deadline` has passed. Returns the
    /// number of calls that did not finish; a detached call counts twice while its client waits.
    /// Those calls end when the server drops them, or with the runtime.
    ///
    /// A server should stop accepting connections before it calls this, and close the open ones
    /// afterwards, as the module `serve` does.
    ///
    /// If replicas share a task store, tasks of tools that are idempotent or read-only are released
    /// immediately, so that another replica can continue them. Other tasks may finish. Those that have not
    /// finished shortly before the deadline (a tenth of the time, at most five seconds) are marked as failed.
    pub async fn shut_down(&self, deadline: Duration) -> usize {
        let drain = &self.settings.drain;
        #[cfg(feature = "tasks")]
        if drain.has_tasks() {
            let reserve = (deadline / 10).min(GIVING_UP);
            if drain.close(deadline.saturating_sub(reserve)).await > 0 {
                drain.give_up();
            }
            return drain.close(reserve).await;
        }
        drain.close(deadline).await
    }

    /// Builds the response to a request that is rejected by its head.
    #[cfg(any(feature = "auth", feature = "hyper", feature = "tower"))]
    pub(crate) fn refuse(&self, rejection: Rejection, head: Parts) -> Response<Body> {
        let Arrival { accepts, version, .. } = Arrival::read(&head, &self.settings);
        respond(refuse(rejection, version, &self.settings), accepts, head.headers)
    }
}

/// Answers a request. Leaves nothing useful in its head. Never fails, but returns what a service
/// does, because every change of the type would copy the response.
pub(super) async fn answer<B, R, F>(
    settings: &Arc<Settings>,
    head: &mut Parts,
    body: B,
    choose: impl FnOnce(&Parts) -> F,
) -> Result<Response<Body>, Infallible>
where
    B: http_body::Body,
    R: Registry,
    F: Future<Output = Result<R, Refusal>>,
{
    let Arrival { accepts, version, admitted } = Arrival::read(head, settings);
    let Some(_serving) = settings.drain.enter() else {
        let reply = refuse(Rejection::ShuttingDown, version, settings);
        return Ok(respond(reply, accepts, take(&mut head.headers)));
    };
    let reply = match receive(head, admitted, body, choose, settings).await {
        Err(rejection) => refuse(rejection, version, settings),
        Ok((registry, body)) => {
            let begun = poll_fn(|cx| {
                let dispatcher = Dispatcher { registry: &registry, settings, accepts };
                Poll::Ready(begin(&dispatcher, version, head, &body, cx))
            });
            #[cfg_attr(not(feature = "ask"), expect(unused_mut, reason = "nothing is redeemed"))]
            let mut begun = begun.await;
            #[cfg(feature = "ask")]
            if let Some(unredeemed) = begun.take_unredeemed() {
                begun = match redeem(unredeemed, settings).await {
                    Ok((mut head, observed)) => {
                        let dispatcher = Dispatcher { registry: &registry, settings, accepts };
                        let mut observed = observed;
                        let again = poll_fn(|cx| {
                            Poll::Ready(observed.again(|observed| {
                                begin_again(&dispatcher, version, &mut head, &body, observed, cx)
                            }))
                        });
                        again.await
                    }
                    Err(reply) => PendingBody::ready(reply),
                };
            }
            match begun.into_ready() {
                Ok(reply) => reply,
                Err(pending) => {
                    // Free the body, which may be large, and the headers before the tool continues.
                    drop((body, take_head(head)));
                    pending.finish(settings).await
                }
            }
        }
    };
    Ok(respond(reply, accepts, take(&mut head.headers)))
}

#[cold]
fn refuse(rejection: Rejection, version: VersionHeader, settings: &Settings) -> Reply {
    Reply::refuse(rejection, unread_id(version, &settings.revisions), settings)
}

/// The result of checking a request's head.
struct Arrival {
    accepts: Accepts,
    version: VersionHeader,
    admitted: Result<Admitted, HttpFault>,
}

impl Arrival {
    fn read(head: &Parts, settings: &Settings) -> Self {
        let fields = Fields::read(&head.headers);
        let accepts = Accepts::read(&fields, &head.headers);
        let admitted = admit::admit(head, &fields, accepts, &settings.http);
        Self { accepts, version: fields.version(), admitted }
    }
}

/// Waits for the host's choice of a registry, and for the body.
async fn receive<B, R, F>(
    head: &Parts,
    admitted: Result<Admitted, HttpFault>,
    body: B,
    choose: impl FnOnce(&Parts) -> F,
    settings: &Settings,
) -> Result<(R, Bytes), Rejection>
where
    B: http_body::Body,
    F: Future<Output = Result<R, Refusal>>,
{
    let admitted = admitted?;
    let registry = choose(head).await.map_err(|refusal| Rejection::Refused(Box::new(refusal)))?;
    let body = read::read(body, &admitted, &settings.http).await?;
    Ok((registry, body))
}

/// Checks a body, and starts the work for its reply.
fn begin<'r>(
    dispatcher: &Dispatcher<'r>,
    version: VersionHeader,
    head: &mut Parts,
    body: &Bytes,
    cx: &mut Context<'_>,
) -> PendingBody<'r> {
    match agree(&head.headers, version, body, &dispatcher.settings.revisions) {
        // By reference, because it is large, and the usual case.
        Ok(Valid::Request(ref request)) => PendingBody::One(dispatcher.request(request, head, cx)),
        Ok(valid) => dispatcher.begin(valid, head, cx),
        Err(refused) => PendingBody::ready(Reply::refuse(refused.rejection, refused.id, dispatcher.settings)),
    }
}

/// The head of a request whose state has been redeemed, and what was observed of it so far.
#[cfg(feature = "ask")]
type Redeemed = (Parts, PendingObserved);

/// Boxed: awaited inline, it would enlarge the future of every request.
#[cfg(feature = "ask")]
#[cold]
fn redeem(
    unredeemed: Box<crate::reply::UnredeemedCall>,
    settings: &Settings,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Redeemed, Reply>> + Send + '_>> {
    Box::pin(async move { unredeemed.redeem(settings).await.map_err(Reply::from) })
}

/// Starts a request whose state has been redeemed. It was observed before.
#[cfg(feature = "ask")]
#[cold]
fn begin_again<'r>(
    dispatcher: &Dispatcher<'r>,
    version: VersionHeader,
    head: &mut Parts,
    body: &Bytes,
    observed: ObservedRef<'_, '_>,
    cx: &mut Context<'_>,
) -> PendingBody<'r> {
    match agree(&head.headers, version, body, &dispatcher.settings.revisions) {
        Ok(Valid::Request(ref request)) => {
            PendingBody::One(dispatcher.observed_request(request, head, observed, cx))
        }
        // Unreachable: the same body was a request before.
        _ => begin(dispatcher, version, head, body, cx),
    }
}

impl fmt::Debug for StatelessSessionManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StatelessSessionManager").finish_non_exhaustive()
    }
}
