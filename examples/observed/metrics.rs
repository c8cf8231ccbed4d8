//! Metrics for Prometheus, with the names of OpenTelemetry's conventions: dots become underscores,
//! and a unit becomes a suffix.

use std::fmt;

use mcp_stateless::observe::{
    EndedRequest, Observer, QuestionEnd, RefusalKind, StreamKind, Target, TaskEnd, names,
};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names and values of labels.
type Labels = Vec<(String, String)>;

/// The metrics of a server.
pub(crate) struct Metrics {
    registry: Registry,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    active: Family<Labels, Gauge>,
    refused: Family<Labels, Counter>,
    streams: Family<Labels, Gauge>,
    parked: Gauge,
    questions: Family<Labels, Counter>,
    running_tasks: Gauge,
    ended_tasks: Family<Labels, Counter>,
}

/// Converts a name to the form of Prometheus.
fn name(name: &str) -> String {
    name.replace('.', "_")
}

fn label(key: &str, value: impl Into<String>) -> (String, String) {
    (name(key), value.into())
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            durations: Family::new_with_constructor(|| Histogram::new(names::DURATION_BUCKETS)),
            active: Family::default(),
            refused: Family::default(),
            streams: Family::default(),
            parked: Gauge::default(),
            questions: Family::default(),
            running_tasks: Gauge::default(),
            ended_tasks: Family::default(),
        };
        let Self {
            registry,
            durations,
            active,
            refused,
            streams,
            parked,
            questions,
            running_tasks,
            ended_tasks,
        } = &mut metrics;
        let help = "The duration of a request";
        registry.register_with_unit(name(names::SERVER_DURATION), help, Unit::Seconds, durations.clone());
        registry.register(name(names::ACTIVE_REQUESTS), "Requests in flight", active.clone());
        registry.register(name(names::REFUSED_REQUESTS), "Refused requests", refused.clone());
        registry.register(name(names::OPEN_STREAMS), "Open streams", streams.clone());
        registry.register(name(names::PARKED_QUESTIONS), "Questions without an answer yet", parked.clone());
        registry.register(name(names::ENDED_QUESTIONS), "Questions that have ended", questions.clone());
        registry.register(
            name(names::RUNNING_TASKS),
            "Tasks that run in this process",
            running_tasks.clone(),
        );
        registry.register(
            name(names::ENDED_TASKS),
            "Tasks that have ended in this process",
            ended_tasks.clone(),
        );
        metrics
    }

    /// Writes all metrics in the text format.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut buffer = String::new();
        text::encode(&mut buffer, &self.registry)?;
        Ok(buffer)
    }
}

impl Observer for Metrics {
    fn request_started(&self, method: &'static str) {
        self.active.get_or_create(&vec![label(names::METHOD, method)]).inc();
    }

    fn request_ended(&self, request: &EndedRequest<'_>) {
        let mut labels = vec![label(names::METHOD, request.method)];
        self.active.get_or_create(&labels).dec();
        labels.push(label(names::REVISION, request.revision.as_str()));
        match request.target {
            Some(Target::Tool(tool)) => {
                labels.push(label(names::TOOL, tool));
                labels.push(label(names::OPERATION, names::EXECUTE_TOOL));
            }
            Some(Target::Prompt(prompt)) => labels.push(label(names::PROMPT, prompt)),
            // URIs of resources are not labels, because there may be many.
            _ => {}
        }
        if let Some(error_type) = request.end.error_type() {
            labels.push(label(names::ERROR_TYPE, error_type));
        }
        self.durations.get_or_create(&labels).observe(request.duration.as_secs_f64());
    }

    fn request_refused(&self, refusal: RefusalKind) {
        self.refused.get_or_create(&vec![label(names::REFUSAL, refusal.as_str())]).inc();
    }

    fn stream_opened(&self, kind: StreamKind) {
        self.streams.get_or_create(&vec![label(names::STREAM, kind.as_str())]).inc();
    }

    fn stream_closed(&self, kind: StreamKind) {
        self.streams.get_or_create(&vec![label(names::STREAM, kind.as_str())]).dec();
    }

    fn question_parked(&self) {
        self.parked.inc();
    }

    fn question_ended(&self, end: QuestionEnd) {
        self.parked.dec();
        self.questions.get_or_create(&vec![label(names::QUESTION, end.as_str())]).inc();
    }

    fn task_started(&self) {
        self.running_tasks.inc();
    }

    fn task_ended(&self, end: TaskEnd) {
        self.running_tasks.dec();
        self.ended_tasks.get_or_create(&vec![label(names::TASK, end.as_str())]).inc();
    }
}
