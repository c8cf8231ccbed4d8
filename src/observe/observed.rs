//! What is observed of one request: its span, and its times for the observer.

use std::borrow::Cow;
#[cfg(feature = "otel")]
use std::fmt;
#[cfg(feature = "otel")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::span::Entered;

use super::settings::tell_caught;
use super::target::public_uri;
use super::{EndedRequest, ObserveSettings, Observer, RequestEnd, Target, line, names};
#[cfg(feature = "otel")]
use super::{TraceContext, names::otel};
use crate::protocol::method::{Method, NamedBy};
use crate::protocol::{Era, Revision};
use crate::request::ValidRequest;

/// The level of the spans, in the one place where it must be a constant.
const LEVEL: tracing::Level = tracing::Level::INFO;

/// The maximum length of a name, a URI or an id in a span, in bytes.
const MAX_NAME: usize = 256;

/// What is observed of a request. It ends when it is dropped: [cancelled](RequestEnd::Cancelled), unless
/// something else has been noted.
///
/// Nothing if nobody observes. Boxed, because it moves with the draft of the reply.
#[must_use]
pub(crate) struct Observed(Option<Box<ObservedRequest>>);

struct ObservedRequest {
    span: Span,
    end: Option<RequestEnd>,
    /// Whether it succeeds when its client leaves.
    is_listener: bool,
    counted: Option<Counted>,
}

/// What an observer is told at the end.
struct Counted {
    observer: Arc<dyn Observer>,
    method: Method,
    target: Option<OwnedTarget>,
    revision: Revision,
    start: Instant,
}

struct OwnedTarget {
    named_by: NamedBy,
    name: Box<str>,
}

impl Observed {
    /// Begins to observe a request. Costs two loads and comparisons if nobody does. `is_known` is
    /// asked whether the registry has the target, if somebody counts.
    #[inline]
    pub(crate) fn begin(
        request: &ValidRequest<'_>,
        settings: &ObserveSettings,
        is_known: impl FnOnce() -> bool,
    ) -> Self {
        if LEVEL > LevelFilter::current() && settings.observer.is_none() {
            return Self(None);
        }
        let is_known = settings.observer.is_some() && is_known();
        Self::begin_observed(request, settings, is_known)
    }

    #[inline(never)]
    fn begin_observed(request: &ValidRequest<'_>, settings: &ObserveSettings, is_known: bool) -> Self {
        let span = new_span(request);
        #[cfg(feature = "otel")]
        if let Some(propagation) = &settings.propagation
            && !span.is_disabled()
        {
            let remote = TraceContext::of_meta(&request.params.meta);
            let continued = || propagation.continue_trace(&span, &remote);
            if !remote.is_empty() && catch_unwind(AssertUnwindSafe(continued)).is_err() {
                tracing::error!("a propagation panicked");
            }
        }
        let counted = settings.observer.as_ref().map(|observer| Counted::begin(request, is_known, observer));
        if span.is_disabled() && counted.is_none() {
            return Self(None);
        }
        Self(Some(Box::new(ObservedRequest { span, end: None, is_listener: false, counted })))
    }

    /// Enters the span, so that what is logged meanwhile belongs to it.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|observed| observed.span.enter())
    }

    /// Notes how the request ends, unless that is known already.
    #[inline]
    pub(crate) fn note(&mut self, end: RequestEnd) {
        if let Some(observed) = &mut self.0 {
            observed.end.get_or_insert(end);
        }
    }

    /// Notes that the request lasts until its client leaves.
    pub(crate) fn listens(&mut self) {
        if let Some(observed) = &mut self.0 {
            observed.is_listener = true;
        }
    }
}

impl Drop for ObservedRequest {
    #[inline]
    fn drop(&mut self) {
        let left = if self.is_listener { RequestEnd::Success } else { RequestEnd::Cancelled };
        let end = self.end.unwrap_or(left);
        if end != RequestEnd::Success {
            record(&self.span, end);
        }
        if let Some(counted) = &self.counted {
            counted.end(end);
        }
    }
}

/// Records how a request ended that did not simply succeed.
#[cold]
fn record(span: &Span, end: RequestEnd) {
    span.record(names::OUTCOME, end.as_str());
    if let Some(error_type) = end.error_type() {
        span.record(names::ERROR_TYPE, &*error_type);
        #[cfg(feature = "otel")]
        span.record(otel::STATUS, "ERROR");
    }
    if let Some(code) = end.error_code() {
        span.record(names::STATUS_CODE, &*code.to_string());
    }
}

impl Counted {
    fn begin(request: &ValidRequest<'_>, is_known: bool, observer: &Arc<dyn Observer>) -> Self {
        let method = request.method;
        tell_caught(&**observer, |observer| observer.request_started(method.as_str()));
        let target = method.named_by().filter(|_| is_known).and_then(|named_by| {
            let name = target(request, named_by)?.into_owned().into();
            Some(OwnedTarget { named_by, name })
        });
        Self {
            observer: Arc::clone(observer),
            method,
            target,
            revision: request.revision,
            start: Instant::now(),
        }
    }

    fn end(&self, end: RequestEnd) {
        let target =
            self.target.as_ref().map(|OwnedTarget { named_by, name }| match (self.method, named_by) {
                (_, NamedBy::Uri) => Target::Resource(name),
                (Method::PromptsGet, NamedBy::Name) => Target::Prompt(name),
                (_, NamedBy::Name) => Target::Tool(name),
            });
        let ended = EndedRequest::new(self.method.as_str(), target, self.revision, end, self.start.elapsed());
        tell_caught(&*self.observer, |observer| observer.request_ended(&ended));
    }
}

/// Creates the span of a request, with everything that is known of it: a field that is recorded
/// later costs as much as several now. Values are evaluated only if the span is enabled.
fn new_span(request: &ValidRequest<'_>) -> Span {
    macro_rules! request_span {
        ($($otel:tt)*) => {
            tracing::span!(
                target: "mcp_stateless::request",
                LEVEL,
                "mcp.request",
                $($otel)*
                { names::METHOD } = request.method.as_str(),
                { names::TOOL } = named(request, Method::ToolsCall).as_deref(),
                { names::PROMPT } = named(request, Method::PromptsGet).as_deref(),
                { names::RESOURCE } = named(request, Method::ResourcesRead).as_deref(),
                { names::OPERATION } = operation(request.method),
                { names::REQUEST_ID } = &*id(request),
                { names::REVISION } = request.revision.as_str(),
                { names::ERA } = era(request.era()),
                { names::OUTCOME } = Empty,
                { names::ERROR_TYPE } = Empty,
                { names::STATUS_CODE } = Empty,
            )
        };
    }
    #[cfg(feature = "otel")]
    return request_span!(
        { otel::NAME } = %SpanName(request),
        { otel::KIND } = "server",
        { otel::STATUS } = Empty,
    );
    #[cfg(not(feature = "otel"))]
    request_span!()
}

/// Returns the target of a request of this method.
fn named<'a>(request: &ValidRequest<'a>, method: Method) -> Option<Cow<'a, str>> {
    if request.method == method { target(request, method.named_by()?) } else { None }
}

/// Returns the target of a request, fit to be shown.
fn target<'a>(request: &ValidRequest<'a>, named_by: NamedBy) -> Option<Cow<'a, str>> {
    let name = request.params.named(named_by)?.string()?;
    let name = if named_by == NamedBy::Uri { map(name, public_uri) } else { name };
    Some(map(name, |name| line(name, MAX_NAME)))
}

fn map<'a>(text: Cow<'a, str>, change: impl Fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => change(text),
        Cow::Owned(text) => Cow::Owned(change(&text).into_owned()),
    }
}

/// Returns the id of a request, fit to be shown: a string without its quotes.
fn id<'a>(request: &ValidRequest<'a>) -> Cow<'a, str> {
    let json = request.id.as_json();
    let text = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    line(text.filter(|text| !text.contains('\\')).unwrap_or(json), MAX_NAME)
}

fn operation(method: Method) -> Option<&'static str> {
    (method == Method::ToolsCall).then_some(names::EXECUTE_TOOL)
}

fn era(era: Era) -> &'static str {
    match era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

/// The name of a span: the method, and the name of the tool or the prompt.
#[cfg(feature = "otel")]
struct SpanName<'r, 'a>(&'r ValidRequest<'a>);

#[cfg(feature = "otel")]
impl fmt::Display for SpanName<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.method.as_str())?;
        // URIs are too many for names.
        let is_named = self.0.method.named_by() == Some(NamedBy::Name);
        match target(self.0, NamedBy::Name).filter(|_| is_named) {
            Some(name) => write!(formatter, " {name}"),
            None => Ok(()),
        }
    }
}
