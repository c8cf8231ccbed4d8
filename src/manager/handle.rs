//! The product: one function from a request to its response.

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

/// Serves MCP over Streamable HTTP with no session: each request is answered from
/// what it carries itself, by any replica.
///
/// One manager serves all requests of all clients of both eras; a clone is another
/// handle to the same one. It listens on nothing, spawns nothing, and knows no
/// server framework: [`handle`](Self::handle) takes a request and returns a
/// response. A `McpService` (with a feature for services) wraps it for hyper, axum and tower.
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

    /// Answers a request with what `registry` has.
    ///
    /// Takes a request with any body, on whatever path the host mounts it. Returns
    /// a response in every case: what is wrong with a request becomes a JSON-RPC
    /// error with the fitting status, what goes wrong in a tool stays in its
    /// result (2026-07-28, Transports, "Streamable HTTP").
    ///
    /// The tool runs inside this future or, once it has sent a notification, inside
    /// the response's body: dropping either ends it. Neither spawns a task, unless
    /// the tool is [detached](crate::Tool::detached).
    ///
    /// The future borrows the registry alone, and is [`Send`] where the request's body is.
    ///
    /// Waits are bounded by the timer of the Tokio runtime that polls this, which must
    /// be enabled, as `#[tokio::main]` does it; outside a Tokio runtime nothing bounds
    /// them.
    ///
    /// # What the host must bound
    ///
    /// A response's body, and the tool's time limit within it, only runs while the server polls
    /// it. A server stops polling when its client reads nothing, so it must give such clients
    /// up, or their tools wait for ever. It must also bound its connections, the time to send
    /// a head, and idle connections, none of which reaches this function. The module `serve`
    /// (with the feature of that name) does all of it; `axum::serve` does none of it.
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

    /// Answers a request with the tools that `choose` finds by the request's head:
    /// those of a tenant, or of a user that the host's own middleware has left in
    /// the head's extensions.
    ///
    /// It is asked once the head has been found in order, and before the body is
    /// read. Its refusal becomes the response.
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
                    // Large arguments are not kept while their tool runs.
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

    /// Shuts down: new requests get 503, streams of subscriptions end with their result at
    /// once (2026-07-28, Patterns, "Graceful Closure"), and calls under way, those
    /// [detached](crate::Tool::detached) from their clients too, may come to their end until
    /// `deadline` is over. Gives how many have not (a detached one counts twice while its
    /// client waits); they end when the server drops them, or with the runtime.
    ///
    /// A server that is shutting down takes no new connections before this, and closes those it
    /// has after it, as the module `serve` does.
    pub async fn shut_down(&self, deadline: Duration) -> usize {
        self.settings.drain.close(deadline).await
    }

    /// Refuses a request by its head alone.
    #[cfg(any(feature = "auth", feature = "hyper", feature = "tower"))]
    pub(crate) fn refuse(&self, rejection: Rejection, head: &Parts) -> Response<Body> {
        let id = unread_id(&head.headers, &self.settings.revisions);
        respond(Reply::refuse(rejection, id), Accepts::read(&head.headers))
    }
}

/// The part of a request's path that waits for others: for the host's choice of a registry,
/// and for the body.
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

/// From an untrusted body to its pending reply.
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

/// Boxed, because a future that waits for this takes room in the future of every request.
#[cfg(feature = "ask")]
#[cold]
fn redeem(
    unredeemed: Box<crate::reply::UnredeemedCall>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Parts, Reply>> + Send>> {
    Box::pin(async move { unredeemed.redeem().await.map_err(Reply::from) })
}

/// Begins a request whose state has been redeemed.
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
