//! Observation of a server: a span for each request, an [`Observer`] for metrics, and the propagation of
//! traces between processes. The guide "Observing" (`guide::observing`) describes spans, metrics and logs.

mod end;
mod line;
pub mod names;
mod observed;
mod observer;
#[cfg(feature = "otel")]
mod propagation;
mod refusal;
mod settings;
mod target;
#[cfg(feature = "tasks")]
mod task;
mod trace_context;

pub use end::RequestEnd;
#[cfg(any(feature = "ask", feature = "auth"))]
pub(crate) use line::error_line;
pub(crate) use line::line;
pub(crate) use observed::{Counted, Observed, ObservedRef, PendingObserved};
pub use observer::{EndedRequest, Observer, QuestionEnd, StreamKind, TaskEnd};
#[cfg(feature = "otel")]
pub use propagation::Propagation;
pub use refusal::RefusalKind;
pub(crate) use settings::ObserveSettings;
#[cfg(feature = "ask")]
pub(crate) use settings::ParkedQuestion;
pub use target::Target;
#[cfg(feature = "tasks")]
pub(crate) use task::ObservedTask;
pub use trace_context::TraceContext;
