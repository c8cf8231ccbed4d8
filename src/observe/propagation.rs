//! The propagation of traces between processes.

use tracing::Span;

use super::TraceContext;

/// Connects spans with the traces of other processes. Set with
/// [`ManagerBuilder::propagation`](crate::manager::ManagerBuilder::propagation).
///
/// This crate does not depend on an implementation of OpenTelemetry. The host connects its own through
/// this trait: with `tracing-opentelemetry`, [`continue_trace`](Self::continue_trace) sets the parent of a
/// span, and [`inject`](Self::inject) returns the context of a span. `examples/observed` has a complete
/// implementation.
///
/// Both methods are called on the thread that serves the request, and must not block. A panic of
/// `continue_trace` is caught and logged. A panic of `inject` fails the call that needs the context.
pub trait Propagation: Send + Sync + 'static {
    /// Called for the new span of a request whose `_meta` has a trace context, before the span is
    /// entered. According to the conventions, `remote` becomes the parent of `span`, and the current span,
    /// which is that of the HTTP request, is linked to it.
    ///
    /// Anyone can send a trace context. If clients are not trusted, link `remote` instead of making it the
    /// parent.
    fn continue_trace(&self, span: &Span, remote: &TraceContext);

    /// Returns the context of a span, which is sent with requests to other processes.
    fn inject(&self, span: &Span) -> TraceContext;
}
