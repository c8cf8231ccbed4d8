//! What goes over HTTP in one session: requests with their responses and streams, which are
//! resumed after a break, messages without an answer, and the session's own stream.

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

/// When a stream that has ended is asked for again, whatever the upstream wants.
const SOONEST_RETRY: Duration = Duration::from_millis(50);
const USUAL_RETRY: Duration = Duration::from_secs(1);
const LATEST_RETRY: Duration = Duration::from_secs(60);
/// How many messages without an answer are sent at a time, and how long the last may take.
const MOST_NOTICES: usize = 16;
const LAST_NOTICES: Duration = Duration::from_secs(2);
/// How long the answer to an `initialize` that was abandoned is waited for.
const INITIALIZE_LIMIT: Duration = Duration::from_secs(60);
/// How often in a row a stream is resumed in vain.
const MOST_RESUMPTIONS: u32 = 5;

/// A request under way, which its caller drives: a caller that is slow holds up its own stream
/// alone. What comes goes to the connection.
pub(crate) type Exchange = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins a request.
pub(super) fn begin(http: Arc<Http>, parcel: Parcel) -> Exchange {
    Box::pin(async move {
        let id = parcel.id;
        if let Err(failure) = run(&http, parcel).await {
            match failure {
                // The next call tries anew; others under way have connections of their own.
                Failure::Unreachable(_) => {
                    http.connection.fail(id, failure);
                    http.connection.retire();
                }
                failure => http.connection.fail(id, failure),
            }
        }
    })
}

/// Makes a request, and hands what comes to the connection.
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
        let text = std::str::from_utf8(&body).map_err(|_| Failure::failed("its answer is not UTF-8"))?;
        http.connection.receive_for(text, id).await;
        return unanswered(http, id, "its answer is not the result of the request");
    }
    match Events::of(response, MAX_MESSAGE) {
        Some(events) => follow(http, id, events, is_resumable).await,
        None => {
            Err(Failure::failed(format!("it answers HTTP {status} with neither JSON nor a stream of events")))
        }
    }
}

/// POSTs `initialize`. Even if it is abandoned its answer is waited for, because the session that
/// it begins is to be ended then.
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

/// Reads a stream until the response is there, and resumes it when it breaks before.
async fn follow(http: &Http, id: i64, mut events: Events, is_resumable: bool) -> Result<(), Failure> {
    const ENDED: &str = "its stream ended without the result";
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
        tracing::debug!(upstream = %http.connection.upstream, "a stream is resumed");
    }
}

/// How far a stream has come.
struct Progress {
    last_id: Option<String>,
    retry: Duration,
    /// Attempts to go on since the last event.
    failures: u32,
}

impl Default for Progress {
    fn default() -> Self {
        Self { last_id: None, retry: USUAL_RETRY, failures: 0 }
    }
}

impl Progress {
    /// The next message; `None` at the end.
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

/// Hears what a session of the legacy era sends outside of requests, for as long as it lasts.
pub(super) async fn listen(http: &Arc<Http>) {
    http.settled().await;
    if !http.is_legacy() {
        http.decline_offer().await;
        return std::future::pending().await;
    }
    let mut progress = Progress::default();
    loop {
        match http.listen(progress.last_id.as_deref()).await {
            // There is nothing to hear. A session that is forgotten is noticed by the next call.
            Ok(response) if is_transient(response.status()) => {
                let (upstream, status) = (&http.connection.upstream, response.status());
                tracing::debug!(%upstream, %status, "the stream of a session is refused for now");
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

/// Sends what needs no answer, and listens, until the session ends.
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
    // Cancellations that were begun are sent to their end.
    let rest = async { while under_way.next().await.is_some() {} };
    http.decline_offer().await;
    let is_gone = connection.closing() == Closing::Gone;
    if !is_gone && http.has_session() {
        let _ = timeout(LAST_NOTICES, rest).await;
        http.delete().await;
    }
}

/// Whether a status says that the same request may be served later.
fn is_transient(status: StatusCode) -> bool {
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    is_busy || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// What an upstream says that does not serve a request.
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
    let cause = Cause::new(format!("it answers HTTP {status}")).detail(first);
    if is_transient(status) { Failure::Busy(cause) } else { Failure::Failed(cause) }
}

/// The JSON-RPC error that a body holds.
fn error_of(body: &[u8]) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let refused: Refused<'_> = serde_json::from_slice(body).ok()?;
    refused.error.get().starts_with('{').then_some(refused.error)
}
