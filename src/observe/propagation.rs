//! Continues the traces of other processes.

use tracing::Span;

use super::TraceContext;

/// Connects spans with the traces of other processes. Set by
/// [`ManagerBuilder::propagation`](crate::manager::ManagerBuilder::propagation).
///
/// The crate does not depend on an implementation of OpenTelemetry. This trait is the place where a
/// host connects its own: with `tracing-opentelemetry`, [`continue_trace`](Self::continue_trace) sets
/// the parent of a span, and [`inject`](Self::inject) reads the context of one. `examples/observed`
/// shows it in full.
///
/// Both methods run on the thread that serves the request, and must not block.
pub trait Propagation: Send + Sync + 'static {
    /// Called for the new span of a request whose `_meta` has a trace context, before the span is
    /// entered. By the conventions, `remote` becomes the parent of `span`, and the span that is
    /// current, which is the transport's, is linked to it.
    ///
    /// Anybody can send a trace context. A host whose clients are not trusted may link it instead.
    fn continue_trace(&self, span: &Span, remote: &TraceContext);

    /// Returns the context of a span, to be sent along with a request to another process.
    fn inject(&self, span: &Span) -> TraceContext;
}
