//! The HTTP exchanges of one session: requests with their responses and streams, which are resumed
//! when they break, notifications, and the stream of the session.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::connector::ResponseBody;
use super::http::{Events, Http, beginning, is_json, whole};
use super::parcel::{MAX_MESSAGE, Parcel};
use crate::connection::Closing;
use crate::failure::{Cause, Failure};
use crate::message::{self, Message};

/// The bounds and the default of the pause before a stream is resumed; upstreams can set it.
const SOONEST_RETRY: Duration = Duration::from_millis(50);
const USUAL_RETRY: Duration = Duration::from_secs(1);
const LATEST_RETRY: Duration = Duration::from_secs(60);
/// The maximum number of concurrent notifications, and the time limit for the last ones.
const MOST_NOTICES: usize = 16;
const LAST_NOTICES: Duration = Duration::from_secs(2);
/// How long the response to an abandoned `initialize` is awaited.
const INITIALIZE_LIMIT: Duration = Duration::from_secs(60);
/// The maximum number of failed attempts in a row to resume a stream.
const MOST_RESUMPTIONS: u32 = 5;

/// A request in flight, polled by its caller, so that a slow caller only delays its own stream. The
/// connection receives the messages.
pub(crate) type Exchange = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins a request.
pub(super) fn begin(http: Arc<Http>, parcel: Parcel) -> Exchange {
    Box::pin(async move {
        let id = parcel.id;
        if let Err(failure) = run(&http, parcel).await {
            match failure {
                // The next call opens another session. Open calls use their own connections.
                Failure::Unreachable(_) => {
                    http.connection.fail(id, failure);
                    http.connection.retire();
                }
                failure => http.connection.fail(id, failure),
            }
        }
    })
}

/// Makes a request and passes the messages of its response to the connection.
async fn run(http: &Arc<Http>, parcel: Parcel) -> Result<(), Failure> {
    let Parcel { id, text, caller, headers, is_initialize, is_resumable } = parcel;
    let response = if is_initialize {
        initialize(http, id, text, caller, headers).await?
    } else {
        http.post(text, caller, headers).await?
    };
    let status = response.status();
    if !status.is_success() {
        return Err(refused(http, response).await);
    }
    if is_json(&response) {
        let body = whole(response).await?;
        let text =
            std::str::from_utf8(&body).map_err(|_| Failure::failed("its response is not valid UTF-8"))?;
        http.connection.receive_for(text, id).await;
        return unanswered(http, id, "its response does not belong to the request");
    }
    match Events::of(response, MAX_MESSAGE) {
        Some(events) => follow(http, id, events, is_resumable).await,
        None => Err(Failure::failed(format!(
            "it responds with HTTP {status} and neither JSON nor an event stream"
        ))),
    }
}

/// Sends `initialize`. If it is abandoned, the response is still awaited, so that the session can be
/// ended.
async fn initialize(
    http: &Arc<Http>,
    id: i64,
    text: Message,
    caller: Option<HeaderMap>,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> Result<Response<ResponseBody>, Failure> {
    let (mut sender, answer) = oneshot::channel();
    let http = Arc::clone(http);
    tokio::spawn(async move {
        let abandoned = async {
            sender.closed().await;
            sleep(INITIALIZE_LIMIT).await;
        };
        let response = tokio::select! {
            response = http.post(text, caller, headers) => response,
            () = abandoned => return,
        };
        if let Ok(response) = &response
            && response.status().is_success()
        {
            http.offer_session(response);
            if !http.connection.is_waiting(id) || http.connection.is_closing() {
                http.decline_offer().await;
            }
        }
        let _ = sender.send(response);
    });
    answer.await.unwrap_or_else(|_| Err(Failure::failed("it was not sent")))
}

fn unanswered(http: &Http, id: i64, words: &'static str) -> Result<(), Failure> {
    if http.connection.is_waiting(id) { Err(Failure::lost(words)) } else { Ok(()) }
}

/// Reads a stream until it has delivered the response. Resumes it if it breaks before.
async fn follow(http: &Http, id: i64, mut events: Events, is_resumable: bool) -> Result<(), Failure> {
    const ENDED: &str = "its stream ended without a response";
    let mut progress = Progress::default();
    loop {
        while let Some(data) = progress.next(&mut events).await? {
            http.connection.receive_for(&data, id).await;
            if !http.connection.is_waiting(id) {
                return Ok(());
            }
        }
        let Some(after) = progress.last_id.clone().filter(|_| is_resumable) else {
            return unanswered(http, id, ENDED);
        };
        events = loop {
            if progress.failures >= MOST_RESUMPTIONS {
                return unanswered(http, id, ENDED);
            }
            progress.failures += 1;
            sleep(progress.retry).await;
            match http.listen(Some(&after)).await {
                Ok(response) if response.status().is_client_error() && !is_transient(response.status()) => {
                    return unanswered(http, id, ENDED);
                }
                Ok(response) => {
                    if let Some(events) = Events::of(response, MAX_MESSAGE) {
                        break events;
                    }
                }
                Err(_) => {}
            }
        };
        tracing::debug!(upstream = %http.connection.upstream, "resumed a stream");
    }
}

/// The position in a stream.
struct Progress {
    last_id: Option<String>,
    retry: Duration,
    /// The failed attempts to resume since the last event.
    failures: u32,
}

impl Default for Progress {
    fn default() -> Self {
        Self { last_id: None, retry: USUAL_RETRY, failures: 0 }
    }
}

impl Progress {
    /// Returns the next message, or `None` at the end.
    async fn next(&mut self, events: &mut Events) -> Result<Option<String>, Failure> {
        loop {
            let event = events.next().await.map_err(Failure::Failed)?;
            let Some(event) = event else { return Ok(None) };
            self.failures = 0;
            if let Some(id) = event.id {
                self.last_id = (!id.is_empty()).then_some(id);
            }
            if let Some(retry) = event.retry {
                self.retry = Duration::from_millis(retry).clamp(SOONEST_RETRY, LATEST_RETRY);
            }
            if let Some(data) = event.data.filter(|data| !data.trim().is_empty()) {
                return Ok(Some(data));
            }
        }
    }
}

/// Listens to the stream of a session of the legacy era while the session lasts.
pub(super) async fn listen(http: &Arc<Http>) {
    http.settled().await;
    if !http.is_legacy() {
        http.decline_offer().await;
        return std::future::pending().await;
    }
    let mut progress = Progress::default();
    loop {
        match http.listen(progress.last_id.as_deref()).await {
            // A temporary refusal: retry. If the session is forgotten, the next call finds out.
            Ok(response) if is_transient(response.status()) => {
                let (upstream, status) = (&http.connection.upstream, response.status());
                tracing::debug!(%upstream, %status, "the stream of a session was temporarily refused");
            }
            Ok(response) if response.status().is_client_error() => return std::future::pending().await,
            Ok(response) => match Events::of(response, MAX_MESSAGE) {
                Some(mut events) => {
                    while let Ok(Some(data)) = progress.next(&mut events).await {
                        http.connection.receive(&data);
                    }
                }
                None => return std::future::pending().await,
            },
            Err(_) => {}
        }
        let factor = 2_u32.saturating_pow(progress.failures.min(6));
        progress.failures += 1;
        sleep(progress.retry.saturating_mul(factor).min(LATEST_RETRY)).await;
    }
}

/// Sends notifications and listens until the session ends.
pub(super) async fn attend(http: Arc<Http>, mut others: mpsc::Receiver<Message>) {
    let connection = Arc::clone(&http.connection);
    let mut under_way = FuturesUnordered::new();
    let mut listening = Box::pin(listen(&http));
    loop {
        tokio::select! {
            () = connection.closed() => break,
            Some(message) = others.recv(), if under_way.len() < MOST_NOTICES => {
                under_way.push(http.notify(message));
            }
            Some(outcome) = under_way.next() => {
                if let Err(failure) = outcome {
                    let cause = failure.cause().full();
                    tracing::debug!(upstream = %connection.upstream, cause, "a notification was not sent");
                }
            }
            () = &mut listening => {}
        }
    }
    drop(listening);
    connection.end(&Cause::new("its session was closed"));
    // Finish sending the notifications that have begun.
    let rest = async { while under_way.next().await.is_some() {} };
    http.decline_offer().await;
    let is_gone = connection.closing() == Closing::Gone;
    if !is_gone && http.has_session() {
        let _ = timeout(LAST_NOTICES, rest).await;
        http.delete().await;
    }
}

/// Whether the same request may succeed later.
fn is_transient(status: StatusCode) -> bool {
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    is_busy || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// Returns the failure of a request whose response has an error status.
async fn refused(http: &Http, response: Response<ResponseBody>) -> Failure {
    let status = response.status();
    if status == StatusCode::NOT_FOUND && http.has_session() {
        return Failure::Forgotten;
    }
    let is_access = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let may_tell = !is_access && (!status.is_server_error() || is_json(&response));
    let body = beginning(response).await;
    if let Some(error) = may_tell.then(|| error_of(&body)).flatten() {
        return Failure::Rpc(message::error(error.get()));
    }
    let first = body.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let first = String::from_utf8_lossy(first.unwrap_or_default()).into_owned();
    let cause = Cause::new(format!("it responds with HTTP {status}")).detail(first);
    if is_transient(status) { Failure::Busy(cause) } else { Failure::Failed(cause) }
}

/// Returns the JSON-RPC error in a body.
fn error_of(body: &[u8]) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let refused: Refused<'_> = serde_json::from_slice(body).ok()?;
    refused.error.get().starts_with('{').then_some(refused.error)
}
