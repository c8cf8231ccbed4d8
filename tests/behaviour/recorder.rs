//! Records the spans and the events of a test's thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// The fields of a span or an event, as texts.
pub(crate) type Fields = BTreeMap<String, String>;

/// A span.
#[derive(Clone, Debug)]
pub(crate) struct SpanRecord {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) parent: Option<u64>,
    pub(crate) fields: Fields,
    pub(crate) is_closed: bool,
}

/// An event, and the span that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct EventRecord {
    pub(crate) level: Level,
    pub(crate) fields: Fields,
    pub(crate) span: Option<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Records>>);

#[derive(Default)]
pub(crate) struct Records {
    spans: Vec<SpanRecord>,
    events: Vec<EventRecord>,
}

impl Recorder {
    /// Records until the guard is dropped.
    pub(crate) fn keep(&self) -> DefaultGuard {
        subscribe(Registry::default().with(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().expect("no panic")
    }

    pub(crate) fn spans(&self) -> Vec<SpanRecord> {
        self.lock().spans.clone()
    }

    pub(crate) fn events(&self) -> Vec<EventRecord> {
        self.lock().events.clone()
    }

    /// Returns the spans of requests so far, and forgets everything.
    pub(crate) fn take_requests(&self) -> Vec<SpanRecord> {
        let Records { spans, .. } = std::mem::take(&mut *self.lock());
        spans.into_iter().filter(|span| span.name == "mcp.request").collect()
    }

    /// Returns the only span of a request so far, and forgets everything.
    pub(crate) fn take_request(&self) -> SpanRecord {
        let spans = self.take_requests();
        match <[SpanRecord; 1]>::try_from(spans) {
            Ok([span]) => span,
            Err(spans) => panic!("not one span: {spans:#?}"),
        }
    }
}

/// Makes `subscriber` that of this thread until the guard is dropped.
///
/// While a process has one subscriber only, `tracing` asks the thread that reaches an event first
/// whether anyone wants it. That may be a thread of another test, which has none, so there are always
/// two more.
pub(crate) fn subscribe(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| std::array::from_fn(|_| Dispatch::new(NoSubscriber::new())));
    LazyLock::force(&OTHERS);
    tracing::dispatcher::set_default(&subscriber.into())
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| Some(span.parent()?.id().into_u64()));
        let mut fields = Texts::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let (id, name, level) = (id.into_u64(), metadata.name(), *metadata.level());
        self.lock().spans.push(SpanRecord { id, name, level, parent, fields: fields.0, is_closed: false });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Texts::default();
        values.record(&mut fields);
        let mut records = self.lock();
        if let Some(span) = records.spans.iter_mut().rfind(|span| span.id == id.into_u64()) {
            span.fields.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Texts::default();
        event.record(&mut fields);
        let span = context.event_span(event).map(|span| span.id().into_u64());
        let level = *event.metadata().level();
        self.lock().events.push(EventRecord { level, fields: fields.0, span });
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let mut records = self.lock();
        // The registry may give an id again.
        if let Some(span) = records.spans.iter_mut().rfind(|span| span.id == id.into_u64()) {
            span.is_closed = true;
        }
    }
}

#[derive(Default)]
struct Texts(Fields);

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
