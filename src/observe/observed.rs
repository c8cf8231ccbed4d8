//! The observation of one request: its span, and the data for the observer.

use std::borrow::Cow;
use std::fmt;
#[cfg(feature = "otel")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Span;
use tracing::field::{Empty, display};
use tracing::level_filters::LevelFilter;
use tracing::span::Entered;

use super::settings::tell_caught;
use super::target::public_uri;
use super::{EndedRequest, ObserveSettings, Observer, RequestEnd, Target, line, names};
#[cfg(feature = "otel")]
use super::{Propagation, TraceContext, names::otel};
use crate::protocol::method::{Method, NamedBy};
use crate::protocol::{Era, Revision};
use crate::request::ValidRequest;

/// The level of the spans. The macros of `tracing` need a constant.
const LEVEL: tracing::Level = tracing::Level::INFO;

/// The maximum length of a name, a URI or an id in a span, in bytes.
const MAX_NAME: usize = 256;

/// The observation of a request whose reply is ready at once. It borrows everything, so it does not
/// allocate or write to shared reference counts, and only the span has to be dropped.
#[must_use]
pub(crate) struct Observed<'s> {
    span: Span,
    counted: Option<&'s Counted<'s>>,
    state: State,
}

/// A reference to the observation of a request, if the request is observed.
///
/// The functions that serve a request pass this type on, because it is only a pointer. A reply that is not
/// ready [takes](Self::take) the observation.
#[derive(Default)]
pub(crate) struct ObservedRef<'o, 's>(Option<&'o mut Observed<'s>>);

/// The observation of a request whose reply is not ready. The request ends when an end is noted, or as
/// cancelled when this is dropped.
#[must_use]
pub(crate) struct PendingObserved {
    span: Span,
    counted: Option<Counted<'static>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The request has ended, or is not observed.
    Over,
    Open,
    /// The request succeeds when its client disconnects.
    Listening,
}

/// The data that an observer gets at the end.
pub(crate) struct Counted<'s> {
    observer: ObserverHandle<'s>,
    method: Method,
    target: Option<(NamedBy, Cow<'s, str>)>,
    revision: Revision,
    start: Instant,
}

enum ObserverHandle<'s> {
    Borrowed(&'s Arc<dyn Observer>),
    Owned(Arc<dyn Observer>),
}

impl<'s> Observed<'s> {
    /// Returns whether requests are observed. Costs two loads and two comparisons.
    #[inline]
    pub(crate) fn is_wanted(settings: &ObserveSettings) -> bool {
        LEVEL <= LevelFilter::current() || settings.observer.is_some()
    }

    /// Starts the span of a request, which may also be counted.
    #[expect(clippy::inline_always, reason = "what it returns is large, and it is not inlined otherwise")]
    #[inline(always)]
    pub(crate) fn begin(
        request: &ValidRequest<'_>,
        counted: Option<&'s Counted<'s>>,
        #[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "no trace is continued"))]
        settings: &ObserveSettings,
    ) -> Self {
        let span = new_span(request);
        #[cfg(feature = "otel")]
        if let Some(propagation) = &settings.propagation
            && !span.is_disabled()
        {
            continue_trace(&**propagation, &span, request);
        }
        let state = if span.is_disabled() && counted.is_none() { State::Over } else { State::Open };
        Self { span, counted, state }
    }

    pub(crate) fn by_ref(&mut self) -> ObservedRef<'_, 's> {
        ObservedRef(Some(self))
    }
}

impl ObservedRef<'_, '_> {
    /// Enters the span, so that what is logged meanwhile belongs to it.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|observed| observed.span.enter())
    }

    /// Runs something in the span.
    #[inline]
    pub(crate) fn in_span<T>(&self, run: impl FnOnce() -> T) -> T {
        let _entered = self.enter();
        run()
    }

    /// Notes the end of the request, which `end` returns, unless an end has been noted. `end` is not called
    /// if the request is not observed.
    #[inline]
    pub(crate) fn note_with(&mut self, end: impl FnOnce() -> RequestEnd) {
        if let Some(Observed { span, counted, state }) = &mut self.0 {
            note(span, *counted, state, end());
        }
    }

    /// Notes that the request lasts until its client disconnects.
    pub(crate) fn listens(&mut self) {
        if let Some(observed) = &mut self.0
            && observed.state == State::Open
        {
            observed.state = State::Listening;
        }
    }

    /// Moves the observation into a reply that is not ready.
    pub(crate) fn take(self) -> PendingObserved {
        let nothing = PendingObserved { span: Span::none(), counted: None, state: State::Over };
        self.0.map_or(nothing, |observed| PendingObserved {
            span: std::mem::replace(&mut observed.span, Span::none()),
            counted: observed.counted.take().map(Counted::to_owned),
            state: std::mem::replace(&mut observed.state, State::Over),
        })
    }
}

impl PendingObserved {
    /// Enters the span, so that what is logged meanwhile belongs to it.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Runs something in the span.
    pub(crate) fn in_span<T>(&self, run: impl FnOnce() -> T) -> T {
        self.span.in_scope(run)
    }

    /// Notes the end of the request, unless an end has been noted.
    pub(crate) fn note(&mut self, end: RequestEnd) {
        note(&self.span, self.counted.as_ref(), &mut self.state, end);
    }

    /// Serves the request again with `serve`, which may take the observation.
    #[cfg(feature = "ask")]
    pub(crate) fn again<T>(&mut self, serve: impl FnOnce(ObservedRef<'_, '_>) -> T) -> T {
        let span = std::mem::replace(&mut self.span, Span::none());
        let state = std::mem::replace(&mut self.state, State::Over);
        let counted = self.counted.take();
        let mut observed = Observed { span, counted: counted.as_ref(), state };
        serve(observed.by_ref())
    }
}

impl Drop for PendingObserved {
    fn drop(&mut self) {
        match self.state {
            State::Over => {}
            State::Open => self.note(RequestEnd::Cancelled),
            State::Listening => self.note(RequestEnd::Success),
        }
    }
}

#[inline]
fn note(span: &Span, counted: Option<&Counted<'_>>, state: &mut State, end: RequestEnd) {
    if *state != State::Over {
        *state = State::Over;
        if end != RequestEnd::Success {
            record(span, end);
        }
        if let Some(counted) = counted {
            counted.end(end);
        }
    }
}

#[cfg(feature = "otel")]
fn continue_trace(propagation: &dyn Propagation, span: &Span, request: &ValidRequest<'_>) {
    let remote = TraceContext::of_meta(&request.params.meta);
    let continued = || propagation.continue_trace(span, &remote);
    if !remote.is_empty() && catch_unwind(AssertUnwindSafe(continued)).is_err() {
        tracing::error!("the propagation panicked");
    }
}

/// Records the end of a request in its span. Nothing is recorded if the request succeeded.
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

impl<'s> Counted<'s> {
    /// Starts to count a request. `is_known` returns whether the registry has the target.
    pub(crate) fn begin(
        request: &'s ValidRequest<'_>,
        is_known: bool,
        observer: &'s Arc<dyn Observer>,
    ) -> Self {
        let (method, revision) = (request.method, request.revision);
        tell_caught(&**observer, |observer| observer.request_started(method.as_str()));
        let target = method.named_by().filter(|_| is_known);
        let target = target.and_then(|named_by| {
            let name = target_of(request, named_by)?;
            Some((named_by, map(name, |name| line(name, MAX_NAME))))
        });
        Self { observer: ObserverHandle::Borrowed(observer), method, target, revision, start: Instant::now() }
    }

    /// Returns the same, without borrowing anything.
    fn to_owned(&self) -> Counted<'static> {
        let observer = ObserverHandle::Owned(Arc::clone(self.observer()));
        let target = self.target.as_ref().map(|(named_by, name)| (*named_by, name.to_string().into()));
        Counted { observer, target, ..*self }
    }

    fn observer(&self) -> &Arc<dyn Observer> {
        match &self.observer {
            ObserverHandle::Borrowed(observer) => observer,
            ObserverHandle::Owned(observer) => observer,
        }
    }

    #[inline(never)]
    fn end(&self, end: RequestEnd) {
        let target = self.target.as_ref().map(|(named_by, name)| match (self.method, named_by) {
            (_, NamedBy::Uri) => Target::Resource(name),
            (Method::PromptsGet, _) => Target::Prompt(name),
            // Ids of tasks are never known targets: anyone who knows an id may be able to use the task.
            _ => Target::Tool(name),
        });
        let ended = EndedRequest::new(self.method.as_str(), target, self.revision, end, self.start.elapsed());
        tell_caught(&**self.observer(), |observer| observer.request_ended(&ended));
    }
}

/// Creates the span of a request with all fields that are known. A field that is recorded later costs as
/// much as several that are set now. Text from clients is only inspected if a subscriber writes it.
#[inline]
fn new_span(request: &ValidRequest<'_>) -> Span {
    macro_rules! request_span {
        ($($known:tt)*) => {
            tracing::span!(
                target: "mcp_stateless::request",
                LEVEL,
                "mcp.request",
                $($known)*
                { names::REQUEST_ID } = display(ShownId(request)),
                { names::REVISION } = display(request.revision),
                { names::ERA } = display(ShownEra(request)),
                { names::OUTCOME } = Empty,
                { names::ERROR_TYPE } = Empty,
                { names::STATUS_CODE } = Empty,
            )
        };
    }
    #[cfg(feature = "otel")]
    macro_rules! span {
        ($($known:tt)*) => {
            request_span!(
                { otel::NAME } = display(SpanName(request)),
                { otel::KIND } = "server",
                { otel::STATUS } = Empty,
                $($known)*
            )
        };
    }
    #[cfg(not(feature = "otel"))]
    macro_rules! span {
        ($($known:tt)*) => { request_span!($($known)*) };
    }
    // Most requests are calls of tools, which have more fields. Every field has a cost.
    if request.method == Method::ToolsCall {
        return span!(
            { names::METHOD } = "tools/call",
            { names::TOOL } = display(ShownTarget(request)),
            { names::OPERATION } = names::EXECUTE_TOOL,
        );
    }
    let named = |method| (request.method == method).then(|| display(ShownTarget(request)));
    span!(
        { names::METHOD } = request.method.as_str(),
        { names::PROMPT } = named(Method::PromptsGet),
        { names::RESOURCE } = named(Method::ResourcesRead),
    )
}

/// Returns the target of a request. The parts of a URI that may be secret are removed.
fn target_of<'a>(request: &ValidRequest<'a>, named_by: NamedBy) -> Option<Cow<'a, str>> {
    let name = request.params.named(named_by)?.string()?;
    Some(if named_by == NamedBy::Uri { map(name, public_uri) } else { name })
}

fn map(text: Cow<'_, str>, change: impl Fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => change(text),
        Cow::Owned(text) => Cow::Owned(change(&text).into_owned()),
    }
}

/// Writes text from a client, which a subscriber may print without escaping it. The text is quoted and
/// escaped if it contains characters that are unusual in names, URIs and ids.
fn write_text(formatter: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let (text, rest) = if text.len() <= MAX_NAME {
        (text, "")
    } else {
        let end = (0..=MAX_NAME).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
        (&text[..end], "…")
    };
    let is_usual = |byte| matches!(byte, b'!' | b'#'..=b'<' | b'>'..=b'~');
    if !text.is_empty() && text.bytes().all(is_usual) {
        write!(formatter, "{text}{rest}")
    } else {
        write!(formatter, "{text:?}{rest}")
    }
}

/// Displays the target of a request.
struct ShownTarget<'r, 'a>(&'r ValidRequest<'a>);

impl fmt::Display for ShownTarget<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.0.method.named_by().and_then(|named_by| target_of(self.0, named_by));
        write_text(formatter, target.as_deref().unwrap_or_default())
    }
}

/// Displays the id of a request; a string is displayed without its quotes.
struct ShownId<'r, 'a>(&'r ValidRequest<'a>);

impl fmt::Display for ShownId<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = self.0.id.as_json();
        let text = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        write_text(formatter, text.unwrap_or(json))
    }
}

/// Displays the era of a request.
struct ShownEra<'r, 'a>(&'r ValidRequest<'a>);

impl fmt::Display for ShownEra<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0.era() {
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        })
    }
}

/// Displays the name of a span: the method, and the name of the tool or the prompt.
#[cfg(feature = "otel")]
struct SpanName<'r, 'a>(&'r ValidRequest<'a>);

#[cfg(feature = "otel")]
impl fmt::Display for SpanName<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.method.as_str())?;
        // Names of spans must have few values, and there may be many URIs.
        let is_named = self.0.method.named_by() == Some(NamedBy::Name);
        match target_of(self.0, NamedBy::Name).filter(|_| is_named) {
            Some(name) => {
                formatter.write_str(" ")?;
                write_text(formatter, &name)
            }
            None => Ok(()),
        }
    }
}
