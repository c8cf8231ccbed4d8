//! The observation of an upstream: a span for each request, and calls of its observer.

use std::borrow::Cow;
#[cfg(feature = "otel")]
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mcp_stateless::observe::{Target, names};
use mcp_stateless::protocol::Revision;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;

use super::failure::{Failure, shown};
use super::message::each_member;
use super::observer::{EndedUpstreamRequest, UpstreamEnd, UpstreamObserver};
use super::settings::{Settings, Target as Place};

const LEVEL: tracing::Level = tracing::Level::INFO;
/// The longest name in a span, in bytes.
const MAX_NAME: usize = 256;

/// Returns how a request with this outcome ended.
fn end_of(outcome: &Result<String, Failure>, method: &str) -> UpstreamEnd {
    match outcome {
        Ok(text) if method == "tools/call" && is_error(text) => UpstreamEnd::ToolError,
        Ok(_) => UpstreamEnd::Success,
        Err(Failure::Rpc(error)) => UpstreamEnd::Error(error.code()),
        Err(Failure::Forgotten) => UpstreamEnd::Forgotten,
        Err(Failure::Lost(_)) => UpstreamEnd::Lost,
        Err(Failure::Unreachable(_)) => UpstreamEnd::Unreachable,
        Err(Failure::Failed(_)) => UpstreamEnd::Failed,
        Err(Failure::Busy(_)) => UpstreamEnd::Busy,
    }
}

/// Returns whether a result has `isError`. Most texts do not contain this name, and are not parsed.
fn is_error(text: &str) -> bool {
    let mut is_error = false;
    if memchr::memmem::find(text.as_bytes(), b"\"isError\"").is_some() {
        each_member(text, |name, value| is_error |= name == "isError" && value.get() == "true");
    }
    is_error
}

/// The data of a request that is observed.
#[derive(Clone, Copy)]
pub(super) struct Observable<'a> {
    pub(super) id: i64,
    pub(super) method: &'static str,
    /// The target of a call, and whether the upstream's lists have it.
    pub(super) target: Option<(&'a str, bool)>,
    pub(super) revision: &'static str,
}

impl Observable<'_> {
    fn named(&self, method: &str) -> Option<Cow<'_, str>> {
        let (name, _) = self.target.filter(|_| self.method == method)?;
        Some(if method == "resources/read" { fit(public_uri(name)) } else { fit(name) })
    }
}

/// Returns a name on one line of bounded length. The parts of a URI that may be secret are removed.
fn fit(name: &str) -> Cow<'_, str> {
    let is_fit = name.len() <= MAX_NAME && name.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    if is_fit { Cow::Borrowed(name) } else { Cow::Owned(shown(name)) }
}

/// Removes the parts of a URI that may be secret: user information, query and fragment.
fn public_uri(uri: &str) -> &str {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let authority = uri.find("://").map_or(end, |at| at + 3);
    let path = uri[..end].get(authority..).and_then(|rest| rest.find('/')).map_or(end, |at| authority + at);
    match uri.get(authority..path) {
        Some(host) if host.contains('@') => &uri[..authority],
        _ => &uri[..end],
    }
}

/// The observation of a request. The request ends when this is dropped.
pub(super) struct Observed(Option<Box<ObservedRequest>>);

struct ObservedRequest {
    span: Span,
    settings: Arc<Settings>,
    method: &'static str,
    /// Set if there is an observer.
    target: Option<Box<str>>,
    revision: &'static str,
    start: Instant,
    end: UpstreamEnd,
}

impl Observed {
    pub(super) fn begin(request: &Observable<'_>, settings: &Arc<Settings>) -> Self {
        if LEVEL > LevelFilter::current() && settings.observer.is_none() {
            return Self(None);
        }
        let span = new_span(request, settings);
        if span.is_disabled() && settings.observer.is_none() {
            return Self(None);
        }
        let target = request.target.filter(|(_, is_known)| *is_known && settings.observer.is_some());
        let target = target.and_then(|_| request.named(request.method)).map(|name| name.into_owned().into());
        let Observable { method, revision, .. } = *request;
        let (settings, start) = (Arc::clone(settings), Instant::now());
        // The duration of a subscription means nothing.
        let is_subscription = method == "subscriptions/listen";
        let end = if is_subscription { UpstreamEnd::Success } else { UpstreamEnd::Cancelled };
        Self(Some(Box::new(ObservedRequest { span, settings, method, target, revision, start, end })))
    }

    /// Runs something in the span of the request.
    pub(super) fn in_span<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(observed) => observed.span.in_scope(run),
            None => run(),
        }
    }

    /// Ends the request with its outcome.
    pub(super) fn end(&mut self, outcome: &Result<String, Failure>) {
        if let Some(mut observed) = self.0.take() {
            observed.end = end_of(outcome, observed.method);
        }
    }
}

impl Drop for ObservedRequest {
    fn drop(&mut self) {
        let Self { span, settings, method, target, revision, start, end } = self;
        if let Some(error_type) = end.error_type() {
            span.record(names::ERROR_TYPE, &*error_type);
            #[cfg(feature = "otel")]
            span.record(otel::STATUS, "ERROR");
        }
        if let Some(code) = end.error_code() {
            span.record(names::STATUS_CODE, &*code.to_string());
        }
        let target = target.as_deref().map(|name| match *method {
            "resources/read" => Target::Resource(name),
            "prompts/get" => Target::Prompt(name),
            _ => Target::Tool(name),
        });
        tell(settings, |observer, upstream| {
            observer.request_ended(&EndedUpstreamRequest {
                upstream,
                method,
                target,
                revision,
                transport: transport(settings),
                end: *end,
                duration: start.elapsed(),
            });
        });
    }
}

fn new_span(request: &Observable<'_>, settings: &Settings) -> Span {
    macro_rules! upstream_span {
        ($($otel:tt)*) => {
            tracing::span!(
                target: "mcp_stateless::upstream",
                LEVEL,
                "mcp.upstream_request",
                $($otel)*
                { names::METHOD } = request.method,
                { names::TOOL } = request.named("tools/call").as_deref(),
                { names::PROMPT } = request.named("prompts/get").as_deref(),
                { names::RESOURCE } = request.named("resources/read").as_deref(),
                { names::OPERATION } = (request.method == "tools/call").then_some(names::EXECUTE_TOOL),
                { names::REQUEST_ID } = request.id,
                { names::REVISION } = request.revision,
                { names::UPSTREAM } = &*settings.name,
                { names::TRANSPORT } = transport(settings),
                { names::NETWORK_PROTOCOL } = settings.target.is_http().then_some("http"),
                { names::SERVER_ADDRESS } = address(settings),
                { names::SERVER_PORT } = port(settings),
                { names::ERROR_TYPE } = Empty,
                { names::STATUS_CODE } = Empty,
            )
        };
    }
    #[cfg(feature = "otel")]
    return upstream_span!(
        { otel::NAME } = %SpanName(request),
        { otel::KIND } = "client",
        { otel::STATUS } = Empty,
    );
    #[cfg(not(feature = "otel"))]
    upstream_span!()
}

/// Attributes that `tracing-opentelemetry` reads.
#[cfg(feature = "otel")]
mod otel {
    pub(super) const NAME: &str = "otel.name";
    pub(super) const KIND: &str = "otel.kind";
    pub(super) const STATUS: &str = "otel.status_code";
}

/// The name of a span: the method, and the name of the tool or the prompt.
#[cfg(feature = "otel")]
struct SpanName<'r, 'a>(&'r Observable<'a>);

#[cfg(feature = "otel")]
impl fmt::Display for SpanName<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.method)?;
        match self.0.named("tools/call").or_else(|| self.0.named("prompts/get")) {
            Some(name) => write!(formatter, " {name}"),
            None => Ok(()),
        }
    }
}

fn transport(settings: &Settings) -> &'static str {
    if settings.target.is_http() { "tcp" } else { "pipe" }
}

fn address(settings: &Settings) -> Option<&str> {
    match &settings.target {
        Place::Http(endpoint) => endpoint.uri.host(),
        Place::Stdio(_) | Place::Streams(_) => None,
    }
}

fn port(settings: &Settings) -> Option<u16> {
    match &settings.target {
        Place::Http(endpoint) => endpoint.uri.port_u16(),
        Place::Stdio(_) | Place::Streams(_) => None,
    }
}

/// Returns the name of a known revision, or `_OTHER` for any other text from an upstream.
pub(super) fn revision_of(name: &str) -> &'static str {
    Revision::from_name(name).map_or(names::OTHER, Revision::as_str)
}

/// A session that is open, until it is dropped.
pub(super) struct ObservedSession {
    settings: Arc<Settings>,
    start: Instant,
}

impl ObservedSession {
    pub(super) fn begin(settings: &Arc<Settings>) -> Self {
        tell(settings, UpstreamObserver::session_opened);
        Self { settings: Arc::clone(settings), start: Instant::now() }
    }
}

impl Drop for ObservedSession {
    fn drop(&mut self) {
        tell(&self.settings, |observer, upstream| observer.session_ended(upstream, self.start.elapsed()));
    }
}

/// Calls the host's observer, and catches panics.
fn tell(settings: &Settings, tell: impl FnOnce(&dyn UpstreamObserver, &str)) {
    if let Some(observer) = &settings.observer
        && catch_unwind(AssertUnwindSafe(|| tell(&**observer, &settings.name))).is_err()
    {
        tracing::error!("the observer panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::{fit, is_error, public_uri};

    #[test]
    fn only_a_member_of_the_result_itself_makes_it_an_error() {
        assert!(is_error(r#"{"content":[],"isError":true}"#));
        for text in [r#"{"isError":false}"#, r#"{"a":{"isError":true}}"#, r#"{"a":"\"isError\":true"}"#] {
            assert!(!is_error(text), "{text}");
        }
    }

    #[test]
    fn names_and_uris_are_shown_without_what_may_be_secret_or_break_the_line() {
        assert_eq!(fit("add"), "add");
        assert_eq!(fit("a\nb\u{1b}[2J"), "a b [2J");
        assert_eq!(public_uri("db://host/a?secret"), "db://host/a");
        assert_eq!(public_uri("db://user:secret@host/a"), "db://");
        assert_eq!(public_uri("urn:x#secret"), "urn:x");
    }
}
