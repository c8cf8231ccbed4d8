//! The context of a call.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Call;
use super::outbox::{Leftovers, Outbox};
use crate::jsonrpc::{Raw, RpcError, write};
use crate::observe::TraceContext;
use crate::protocol::error;
use crate::protocol::meta::{self, Meta};
use crate::protocol::{ClientCapability, Implementation, LogLevel, Revision};

/// The context of a call: the request that a handler serves, and a channel to its client.
///
/// Handlers take it as an argument; see [`Handler`](crate::call::Handler). Clones refer to the same
/// request. A clone that outlives the call sends nothing.
///
/// ```
/// use mcp_stateless::CallContext;
///
/// async fn who_am_i(cx: CallContext) -> String {
///     cx.progress(1.0, Some(1.0), "looking you up").await;
///     let agent = cx.headers().get("user-agent").and_then(|agent| agent.to_str().ok());
///     agent.unwrap_or("somebody").to_owned()
/// }
/// ```
#[derive(Clone)]
pub struct CallContext(Arc<Exchange>);

/// One request and its reply, shared by a handler and the reply's stream.
pub(crate) struct Exchange {
    pub(crate) head: Parts,
    pub(crate) revision: Revision,
    /// The JSON of `_meta`.
    pub(crate) meta: String,
    /// The JSON of the progress token, and the last progress that was sent.
    pub(crate) progress: Option<(Box<str>, Mutex<f64>)>,
    pub(crate) log_from: LogFrom,
    pub(crate) outbox: Outbox,
    #[cfg(feature = "otel")]
    pub(crate) propagation: Option<Arc<dyn crate::observe::Propagation>>,
    #[cfg(feature = "ask")]
    pub(crate) asks: crate::ask::Asks,
}

impl Exchange {
    /// Closes the exchange: the handler can neither send nor ask after this.
    pub(crate) fn close(&self) -> Leftovers {
        #[cfg(feature = "ask")]
        self.asks.close();
        self.outbox.close()
    }
}

/// The minimum level of log messages that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFrom {
    Nothing,
    Level(LogLevel),
}

impl fmt::Debug for CallContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CallContext")
            .field("uri", self.uri())
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl From<Call<'_>> for CallContext {
    fn from(call: Call<'_>) -> Self {
        call.into_context()
    }
}

impl CallContext {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self(exchange)
    }

    #[cfg(feature = "ask")]
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.0
    }

    /// Reports progress, if the client asked for it (2026-07-28, Patterns, "Progress"). `total` is
    /// the value at which the work is done, if known. An empty `message` is left out.
    ///
    /// Progress must increase: values that do not, and values that are not finite, are not sent.
    /// Waits if the client reads slowly. A report is sent as soon as the handler waits for
    /// something. If the handler never waits, reports may be delayed by up to 5 ms and sent together.
    /// A handler that computes for a long time between its reports should
    /// [yield](tokio::task::yield_now) after each report.
    ///
    /// In a task, the message becomes the task's status message instead, whether or not the client
    /// asked for progress. If it is empty, the status message consists of the numbers.
    pub async fn progress(&self, progress: f64, total: Option<f64>, message: &str) {
        #[cfg(feature = "tasks")]
        if let Some(task) = self.0.asks.task() {
            task.tell(status_message(progress, total, message));
            return;
        }
        #[cfg(feature = "tasks")]
        if self.0.asks.may_become_task() {
            self.0.asks.wish.note_status(status_message(progress, total, message));
        }
        let Some((token, last)) = &self.0.progress else { return };
        let send = self.0.outbox.send(|buffer| {
            // Compared under the lock, when the report is written: clones also send reports.
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if !progress.is_finite() || progress <= *last {
                return;
            }
            *last = progress;
            write::notification(buffer, "notifications/progress", |buffer| {
                buffer.extend_from_slice(br#"{"progressToken":"#);
                buffer.extend_from_slice(token.as_bytes());
                buffer.extend_from_slice(br#","progress":"#);
                number(buffer, progress);
                if let Some(total) = total.filter(|total| total.is_finite()) {
                    buffer.extend_from_slice(br#","total":"#);
                    number(buffer, total);
                }
                if !message.is_empty() {
                    write::key(buffer, "message");
                    write::string(buffer, message);
                }
                buffer.push(b'}');
            });
        });
        send.await;
    }

    /// Sends a log message, any JSON, to the client (2026-07-28, Server,
    /// "Logging", deprecated there).
    ///
    /// Clients of 2026-07-28 get it only if the request names a level, and the message is at or
    /// above it; clients of earlier revisions always get it. Data that does not serialise is not
    /// sent.
    pub async fn log(&self, level: LogLevel, data: impl Serialize) {
        self.log_as("", level, data).await;
    }

    /// Sends a log message with the name of a `logger`.
    pub async fn log_as(&self, logger: &str, level: LogLevel, data: impl Serialize) {
        let wanted = matches!(self.0.log_from, LogFrom::Level(lowest) if level >= lowest);
        if !wanted {
            return;
        }
        let Ok(data) = serde_json::value::to_raw_value(&data) else { return };
        let send = self.0.outbox.send(|buffer| {
            write::notification(buffer, "notifications/message", |buffer| {
                buffer.extend_from_slice(br#"{"level":"#);
                // Serialising a unit variant cannot fail.
                let _ = write::json(buffer, &level);
                if !logger.is_empty() {
                    write::key(buffer, "logger");
                    write::string(buffer, logger);
                }
                write::key(buffer, "data");
                buffer.extend_from_slice(data.get().as_bytes());
                buffer.push(b'}');
            });
        });
        send.await;
    }

    /// Returns the method of the HTTP request.
    pub fn method(&self) -> &http::Method {
        &self.0.head.method
    }

    /// Returns the URI of the HTTP request, as the host application passed it.
    pub fn uri(&self) -> &http::Uri {
        &self.0.head.uri
    }

    /// Returns the headers of the HTTP request.
    pub fn headers(&self) -> &http::HeaderMap {
        &self.0.head.headers
    }

    /// Returns the extensions of the HTTP request, into which the host's middleware inserts values
    /// such as the user.
    pub fn extensions(&self) -> &http::Extensions {
        &self.0.head.extensions
    }

    /// Returns the revision of the protocol that the request uses.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// Returns the name and version that the client claims. Only requests of the modern era have
    /// them.
    pub fn client_info(&self) -> Option<Implementation> {
        self.meta(meta::CLIENT_INFO)
    }

    /// Returns the capabilities that the client declares, as JSON. Only requests of the modern era
    /// have them.
    pub fn client_capabilities(&self) -> Option<serde_json::Value> {
        self.meta(meta::CLIENT_CAPABILITIES)
    }

    /// Requires the client to declare a capability. Requests of the legacy era do not declare
    /// any, and always pass.
    ///
    /// # Errors
    /// Returns the error `-32021` if the client does not declare it. Return it from the handler with `?`.
    pub fn require(&self, capability: ClientCapability) -> Result<(), RpcError> {
        let era = self.0.revision.era();
        let required = self
            .raw_meta(meta::CLIENT_CAPABILITIES, |declared| error::require(capability, era, Some(declared)));
        required.unwrap_or_else(|| error::require(capability, era, None))
    }

    /// Returns the W3C trace context of the request's `_meta`: `traceparent`.
    pub fn traceparent(&self) -> Option<String> {
        self.meta("traceparent")
    }

    /// Returns the W3C trace context of the request's `_meta`: `tracestate`.
    pub fn tracestate(&self) -> Option<String> {
        self.meta("tracestate")
    }

    /// Returns the W3C baggage of the request's `_meta`.
    pub fn baggage(&self) -> Option<String> {
        self.meta("baggage")
    }

    /// Returns the trace context of the current span, which a handler sends with its requests to other
    /// servers. Returns `None` unless the host has set a propagation (`ManagerBuilder::propagation`,
    /// feature `otel`) that knows the span. Without one, a proxy should forward the client's trace context:
    /// [`traceparent`](Self::traceparent), [`tracestate`](Self::tracestate) and
    /// [`baggage`](Self::baggage).
    pub fn trace_context(&self) -> Option<TraceContext> {
        #[cfg(feature = "otel")]
        if let Some(propagation) = &self.0.propagation {
            return Some(propagation.inject(&tracing::Span::current())).filter(|context| !context.is_empty());
        }
        None
    }

    /// Returns a member of the request's `_meta`, or `None` if it is missing or does not deserialise as `T`.
    /// Parses `_meta` each time.
    pub fn meta<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.raw_meta(key, |value| serde_json::from_str(value.text()).ok())?
    }

    /// Returns the JSON text of the request's `_meta`, an object, for a handler that forwards it. Returns
    /// `{}` if the request has none.
    pub fn meta_json(&self) -> &str {
        &self.0.meta
    }

    /// Returns the lowest level of the log messages that the client gets, or `None` if it gets none.
    pub fn log_level(&self) -> Option<LogLevel> {
        match self.0.log_from {
            LogFrom::Nothing => None,
            LogFrom::Level(level) => Some(level),
        }
    }

    pub(crate) fn raw_meta<T>(&self, key: &str, read: impl FnOnce(Raw<'_>) -> T) -> Option<T> {
        Meta::from_json(&self.0.meta)?.member(key).map(read)
    }
}

/// Returns the status message of a task whose handler reports progress.
#[cfg(feature = "tasks")]
fn status_message(progress: f64, total: Option<f64>, message: &str) -> String {
    match total {
        _ if !message.is_empty() => message.to_owned(),
        Some(total) => format!("{progress} of {total}"),
        None => progress.to_string(),
    }
}

/// Writes a number, without a fraction if that is zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "exact below EXACT")]
fn number(buffer: &mut Vec<u8>, value: f64) {
    const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

    // Most are integers, which are much cheaper to write as such.
    if value.abs() < EXACT && value.fract() == 0.0 {
        write::display(buffer, value as i64);
    } else {
        write::display(buffer, value);
    }
}
