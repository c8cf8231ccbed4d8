//! Exporting traces over OTLP, and continuing them from one process to another.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use mcp_stateless::observe::{Propagation, TraceContext};
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

/// The maximum size of a collector's response, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Exports spans to a collector, in batches.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to export to `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn export() -> Result<Self, Box<dyn Error>> {
        let exporter = SpanExporter::builder().with_http().with_http_client(OnTokio::new()).build()?;
        let resource = Resource::builder().with_service_name("observed").build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    /// Returns the layer that converts spans of `tracing` to spans of OpenTelemetry.
    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> OpenTelemetryLayer<S, Tracer> {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("mcp-stateless"))
    }

    /// Sends the remaining spans. Blocks.
    pub(crate) fn shut_down(&self) -> OTelSdkResult {
        self.0.shutdown()
    }
}

/// The HTTP client of the exporter. The exporter's thread has no runtime, so requests run on that of the
/// server.
#[derive(Debug)]
struct OnTokio {
    runtime: tokio::runtime::Handle,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl OnTokio {
    fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { runtime: tokio::runtime::Handle::current(), client }
    }
}

#[async_trait]
impl HttpClient for OnTokio {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let answer = self.runtime.spawn(async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        });
        answer.await?
    }
}

/// Propagation with W3C Trace Context and W3C Baggage.
pub(crate) struct W3c(TextMapCompositePropagator);

impl Default for W3c {
    fn default() -> Self {
        let (trace, baggage) = (TraceContextPropagator::new(), BaggagePropagator::new());
        Self(TextMapCompositePropagator::new(vec![Box::new(trace), Box::new(baggage)]))
    }
}

impl Propagation for W3c {
    fn continue_trace(&self, span: &Span, remote: &TraceContext) {
        // The current span is that of the HTTP request.
        let http = Span::current().context();
        if http.span().span_context().is_valid() {
            span.add_link(http.span().span_context().clone());
        }
        // This only fails without the layer.
        let _ = span.set_parent(self.0.extract(&Carrier(remote)));
    }

    fn inject(&self, span: &Span) -> TraceContext {
        let mut context = TraceContext::new();
        self.0.inject_context(&span.context(), &mut CarrierMut(&mut context));
        context
    }
}

struct Carrier<'a>(&'a TraceContext);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| key).collect()
    }
}

struct CarrierMut<'a>(&'a mut TraceContext);

impl Injector for CarrierMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.set(key, value);
    }
}
