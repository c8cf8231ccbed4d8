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
use tokio::time::timeout;

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
    Lost(String),
    /// The request was refused, and may be sent again.
    Postponed(String),
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
        let lost = |error: &dyn std::fmt::Debug| Failure::Lost(format!("{error:?}"));
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
            timeout(LIMIT, exchange).await.map_err(|_| Failure::Lost("no head in time".to_owned()))??;
        let status = response.status();
        let is_invited = response.headers().contains_key("retry-after");
        let mut stream =
            Stream { status, body: response.into_body(), text: String::new(), messages: VecDeque::new() };
        match status {
            StatusCode::SERVICE_UNAVAILABLE if is_invited => {
                let said = stream.next().await.ok().flatten().unwrap_or_default();
                Err(Failure::Postponed(said.to_string()))
            }
            // From nginx: the request was sent to a replica and lost.
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Err(Failure::Lost(status.to_string())),
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
                None => return Err(Failure::Lost("the response ends early".to_owned())),
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
            Failure::Lost(why) => self.report.lost(what, since, why),
            Failure::Postponed(why) => self.report.postponed(what, since, why),
        }
    }
}

/// Treats an internal error inside a stream, which has no status, like a 503.
pub(crate) fn settled(message: Value) -> Result<Value, Failure> {
    if message["error"]["code"] == -32603 {
        Err(Failure::Postponed(message.to_string()))
    } else {
        Ok(message)
    }
}

/// A response, of one message or several.
pub(crate) struct Stream {
    pub(crate) status: StatusCode,
    body: Incoming,
    text: String,
    messages: VecDeque<Value>,
}

impl Stream {
    /// Waits for the next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(Some(message));
            }
            let frame = timeout(LIMIT, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| Failure::Lost("a stream is silent".to_owned()))? else {
                // A single message, not an event stream.
                let text = std::mem::take(&mut self.text);
                return Ok(serde_json::from_str(&text).ok());
            };
            let frame = frame.map_err(|error| Failure::Lost(format!("{error:?}")))?;
            let data = frame.into_data().unwrap_or_default();
            self.text += &String::from_utf8_lossy(&data);
            while let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                let event = std::mem::replace(&mut self.text, rest);
                let message = event.strip_prefix("data: ").and_then(|text| serde_json::from_str(text).ok());
                self.messages.extend(message);
            }
        }
    }
}
