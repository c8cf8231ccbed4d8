//! A client that repeats requests that were lost or refused with 503.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::processes::REPLICA_HEADER;
use crate::report::Report;

pub(crate) const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// The longest pause between two parts of a response. Streams have a comment every 15 s.
const LIMIT: Duration = Duration::from_secs(30);
/// The maximum number of attempts for a request.
const MOST_TRIES: usize = 40;

/// A client of one caller.
#[derive(Clone)]
pub(crate) struct Client {
    port: u16,
    caller: &'static str,
    report: Report,
}

/// Why an attempt has failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request was sent, and got no response.
    Lost(Loss),
    /// The request was refused, and may be sent again.
    Postponed(String),
}

/// A request that was lost.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) at: Instant,
    /// The port of the replica that had it, as far as nginx says so.
    pub(crate) replica: Option<u16>,
    pub(crate) why: String,
}

impl Failure {
    fn lost(replica: Option<u16>, why: impl Into<String>) -> Self {
        Self::Lost(Loss { at: Instant::now(), replica, why: why.into() })
    }
}

/// A message to send.
#[derive(Clone)]
pub(crate) struct Message {
    /// The purpose of the message, for the report.
    what: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl Message {
    /// A request of 2026-07-28.
    pub(crate) fn modern(what: &'static str, method: &str, mut params: Value) -> Self {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {TASKS: {}}},
        });
        let name = ["name", "uri", "taskId"].iter().find_map(|member| params[*member].as_str());
        let mut headers =
            vec![("mcp-protocol-version", MODERN.to_owned()), ("mcp-method", method.to_owned())];
        headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Self { what, body: body.to_string(), headers }
    }

    /// A call of a tool, in 2026-07-28.
    pub(crate) fn call(what: &'static str, tool: &str, arguments: &Value) -> Self {
        Self::modern(what, "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// A message of the legacy era.
    pub(crate) fn legacy(what: &'static str, message: &Value) -> Self {
        let headers = vec![("mcp-protocol-version", LEGACY.to_owned())];
        Self { what, body: message.to_string(), headers }
    }

    /// A call of a tool, in the legacy era.
    pub(crate) fn legacy_call(what: &'static str, tool: &str, arguments: &Value) -> Self {
        let params = json!({"name": tool, "arguments": arguments});
        Self::legacy(what, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    }
}

impl Client {
    pub(crate) fn new(port: u16, caller: &'static str, report: &Report) -> Self {
        Self { port, caller, report: report.clone() }
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Opens the response to a message, on a connection that is used for nothing else.
    pub(crate) async fn open(&self, message: &Message) -> Result<Stream, Failure> {
        self.report.request(message.what);
        let lost = |error: &dyn std::fmt::Debug| Failure::lost(None, format!("{error:?}"));
        let exchange = async {
            let socket = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| lost(&error))?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
                .await
                .map_err(|error| lost(&error))?;
            tokio::spawn(connection);
            let mut request = Request::post("/mcp")
                .header("host", "localhost")
                .header("connection", "close")
                .header("authorization", format!("Bearer {}", self.caller))
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream");
            for (name, value) in &message.headers {
                request = request.header(*name, value);
            }
            let request = request.body(Full::new(Bytes::from(message.body.clone()))).expect("a request");
            sender.send_request(request).await.map_err(|error| lost(&error))
        };
        let response =
            timeout(LIMIT, exchange).await.map_err(|_| Failure::lost(None, "no head in time"))??;
        let status = response.status();
        let is_invited = response.headers().contains_key("retry-after");
        let replica = replica(&response);
        let mut stream = Stream::read(status, replica, response.into_body());
        match status {
            StatusCode::SERVICE_UNAVAILABLE if is_invited => {
                let said = stream.next().await.ok().flatten().unwrap_or_default();
                Err(Failure::Postponed(said.to_string()))
            }
            // From nginx: the request was sent to a replica and lost.
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Err(Failure::lost(replica, status.to_string()))
            }
            _ => Ok(stream),
        }
    }

    /// Sends a message once, and returns the last message of the response.
    pub(crate) async fn once(&self, message: &Message) -> Result<Value, Failure> {
        let mut stream = self.open(message).await?;
        loop {
            match stream.next().await? {
                Some(message) if message.get("method").is_some() => {}
                Some(message) => return settled(message),
                None if stream.status == StatusCode::ACCEPTED => return Ok(Value::Null),
                None => return Err(stream.lost("the response ends early")),
            }
        }
    }

    /// Sends a message until it gets an answer.
    pub(crate) async fn send(&self, message: &Message) -> Value {
        self.persist(message.what, async || self.once(message).await).await
    }

    /// Repeats an operation until it succeeds, and records every failure.
    pub(crate) async fn persist<T>(
        &self,
        what: &'static str,
        mut once: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> T {
        let (start, mut losses) = (Instant::now(), 0);
        for tries in 1..=MOST_TRIES {
            let since = Instant::now();
            match once().await {
                Ok(done) => {
                    self.report.succeeded(what, losses, start.elapsed());
                    return done;
                }
                Err(failure) => {
                    losses += usize::from(matches!(failure, Failure::Lost(_)));
                    self.note(what, since, &failure);
                }
            }
            // The first pause is long enough for nginx to notice a dead replica.
            tokio::time::sleep(Duration::from_millis(if tries == 1 { 100 } else { 500 })).await;
        }
        self.report.fault(&format!("{what} never succeeds"));
        panic!("{what} never succeeds: {}", self.report);
    }

    pub(crate) fn note(&self, what: &str, since: Instant, failure: &Failure) {
        match failure {
            Failure::Lost(loss) => self.report.lost(what, since, loss),
            Failure::Postponed(why) => self.report.postponed(what, since, why),
        }
    }
}

/// Returns the port of the last replica that had the request.
fn replica(response: &hyper::Response<Incoming>) -> Option<u16> {
    let addresses = response.headers().get(REPLICA_HEADER)?.to_str().ok()?;
    addresses.rsplit(':').next()?.parse().ok()
}

/// Treats an internal error inside a stream, which has no status, like a 503.
pub(crate) fn settled(message: Value) -> Result<Value, Failure> {
    if message["error"]["code"] == -32603 {
        Err(Failure::Postponed(message.to_string()))
    } else {
        Ok(message)
    }
}

/// A response, of one message or several. It is read as it comes, so that the time of a loss is known.
pub(crate) struct Stream {
    pub(crate) status: StatusCode,
    /// The port of the replica that sends it.
    replica: Option<u16>,
    messages: mpsc::UnboundedReceiver<Result<Value, Failure>>,
    /// Messages that came while nothing but a loss was waited for.
    early: VecDeque<Value>,
    reader: AbortHandle,
}

impl Stream {
    fn read(status: StatusCode, replica: Option<u16>, body: Incoming) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let reader = async move {
            if let Err(why) = read(body, &sender).await {
                // Nobody may wait for it.
                let _ = sender.send(Err(Failure::lost(replica, why)));
            }
        };
        let reader = tokio::spawn(reader).abort_handle();
        Self { status, replica, messages, early: VecDeque::new(), reader }
    }

    /// Says that it has ended, and should not have.
    pub(crate) fn lost(&self, why: impl Into<String>) -> Failure {
        Failure::lost(self.replica, why)
    }

    /// Waits for the next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        match self.early.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.messages.recv().await.transpose(),
        }
    }

    /// Returns whether there are more messages.
    pub(crate) fn goes_on(&self) -> bool {
        !self.early.is_empty()
    }

    /// Waits until it is lost, and for ever if it is not.
    pub(crate) async fn breaks(&mut self) -> Failure {
        loop {
            match self.messages.recv().await {
                Some(Ok(message)) => self.early.push_back(message),
                Some(Err(failure)) => return failure,
                None => std::future::pending().await,
            }
        }
    }
}

/// The connection is closed with it.
impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Passes on the messages of a body. The error says why it cannot be read to its end.
async fn read(
    mut body: Incoming,
    messages: &mpsc::UnboundedSender<Result<Value, Failure>>,
) -> Result<(), String> {
    let mut text = String::new();
    let pass_on = |text: &str| {
        if let Ok(message) = serde_json::from_str(text) {
            // Nobody may wait for it.
            let _ = messages.send(Ok(message));
        }
    };
    while let Some(frame) = timeout(LIMIT, body.frame()).await.map_err(|_| "a stream is silent")? {
        let data = frame.map_err(|error| format!("{error:?}"))?.into_data().unwrap_or_default();
        text += &String::from_utf8_lossy(&data);
        while let Some(end) = text.find("\n\n") {
            let rest = text.split_off(end + 2);
            let event = std::mem::replace(&mut text, rest);
            pass_on(event.strip_prefix("data: ").unwrap_or_default());
        }
    }
    // One message that is no event.
    pass_on(&text);
    Ok(())
}
