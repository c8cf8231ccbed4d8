//! The manager: one function from a request to its response.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};

use crate::http::{Accepts, admit, read};
use crate::registry::Registry;
use crate::reply::{Body, Dispatcher, PendingBody, Reply, respond};
use crate::request::{Refusal, Rejection, agree, unread_id};
use crate::settings::Settings;

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
    /// The future borrows only the registry, and is [`Send`] if the request's body is.
    ///
    /// Timeouts use the timer of the Tokio runtime that polls the future. It must be enabled, which
    /// `#[tokio::main]` does. Outside a Tokio runtime there are no timeouts.
    ///
    /// # What the host must bound
    ///
    /// The response's body makes progress, and its tool's time limit applies, only while the server
    /// polls it. A server stops polling when its client does not read, so it must close such
    /// connections, or their tools wait for ever. It must also limit the number of connections, the
    /// time to send a head, and idle time, none of which this function can see. The module `serve`
    /// (feature `serve`) does all of this; `axum::serve` does none of it.
    pub fn handle<'r, B, R>(
        &self,
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
    ) -> impl Future<Output = Response<Body>> + use<B, R, C, F>
    where
        B: http_body::Body,
        R: Registry,
        C: FnOnce(&Parts) -> F,
        F: Future<Output = Result<R, Refusal>>,
    {
        let settings = Arc::clone(&self.settings);
        // Split outside the future: values moved into a future are stored twice.
        let (head, body) = request.into_parts();
        async move {
            let accepts = Accepts::read(&head.headers);
            let refuse = |rejection, head: &Parts| {
                Reply::refuse(rejection, unread_id(&head.headers, &settings.revisions))
            };
            let Some(serving) = settings.drain.enter() else {
                return respond(refuse(Rejection::ShuttingDown, &head), accepts);
            };
            let mut reply = match receive(&head, body, accepts, choose, &settings).await {
                Err(rejection) => refuse(rejection, &head),
                Ok((registry, body)) => {
                    #[cfg_attr(not(feature = "ask"), expect(unused_mut, reason = "nothing is redeemed"))]
                    let mut pending = begin(head, &body, accepts, &registry, &settings);
                    #[cfg(feature = "ask")]
                    if let Some(unredeemed) = pending.take_unredeemed() {
                        pending = match redeem(unredeemed).await {
                            Ok(head) => begin_again(head, &body, accepts, &registry, &settings),
                            Err(reply) => PendingBody::ready(reply),
                        };
                    }
                    // Free the body, which may be large, before the tool runs.
                    drop(body);
                    pending.finish(settings.keep_alive).await
                }
            };
            if let Reply::Stream(stream) = &mut reply {
                stream.serve(serving);
            }
            respond(reply, accepts)
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
    pub async fn shut_down(&self, deadline: Duration) -> usize {
        self.settings.drain.close(deadline).await
    }

    /// Builds the response to a request that is rejected by its head.
    #[cfg(any(feature = "auth", feature = "hyper", feature = "tower"))]
    pub(crate) fn refuse(&self, rejection: Rejection, head: &Parts) -> Response<Body> {
        let id = unread_id(&head.headers, &self.settings.revisions);
        respond(Reply::refuse(rejection, id), Accepts::read(&head.headers))
    }
}

/// Waits for the host's choice of a registry, and for the body.
async fn receive<B, R, F>(
    head: &Parts,
    body: B,
    accepts: Accepts,
    choose: impl FnOnce(&Parts) -> F,
    settings: &Settings,
) -> Result<(R, Bytes), Rejection>
where
    B: http_body::Body,
    F: Future<Output = Result<R, Refusal>>,
{
    let admitted = admit::admit(head, accepts, &settings.http)?;
    let registry = choose(head).await.map_err(|refusal| Rejection::Refused(Box::new(refusal)))?;
    let body = read::read(body, &admitted, &settings.http).await?;
    Ok((registry, body))
}

/// Checks a body, and starts the work for its pending reply.
#[inline]
fn begin<'r, R: Registry>(
    head: Parts,
    body: &Bytes,
    accepts: Accepts,
    registry: &'r R,
    settings: &Arc<Settings>,
) -> PendingBody<'r> {
    match agree(&head.headers, body, &settings.revisions) {
        Ok(valid) => Dispatcher { registry, settings, accepts }.begin(valid, head),
        Err(refused) => PendingBody::ready(Reply::refuse(refused.rejection, refused.id)),
    }
}

/// Boxed: awaited inline, it would enlarge the future of every request.
#[cfg(feature = "ask")]
#[cold]
fn redeem(
    unredeemed: Box<crate::reply::UnredeemedCall>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Parts, Reply>> + Send>> {
    Box::pin(async move { unredeemed.redeem().await.map_err(Reply::from) })
}

/// Starts a request whose state has been redeemed.
#[cfg(feature = "ask")]
#[cold]
fn begin_again<'r, R: Registry>(
    head: Parts,
    body: &Bytes,
    accepts: Accepts,
    registry: &'r R,
    settings: &Arc<Settings>,
) -> PendingBody<'r> {
    begin(head, body, accepts, registry, settings)
}

impl fmt::Debug for StatelessSessionManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StatelessSessionManager").finish_non_exhaustive()
    }
}
