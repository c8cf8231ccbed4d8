//! Runs the example `observed` with a stand-in for an OpenTelemetry collector, which parses the
//! protobuf of OTLP, and reads its metrics as Prometheus does.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{Method, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message as _;
use serde_json::json;
use test_support::server::ExampleServer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::examples::send;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that hands on the spans it gets, with the name of the service.
async fn collector() -> (String, mpsc::UnboundedReceiver<(String, Span)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let (sender, receiver) = mpsc::unbounded_channel();
    let app = axum::Router::new().route("/v1/traces", post(collect)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, receiver)
}

async fn collect(State(sender): State<mpsc::UnboundedSender<(String, Span)>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = texts(&attributes).remove("service.name").unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            // A test that has failed hears nothing more.
            let _ = sender.send((service.clone(), span));
        }
    }
    StatusCode::OK
}

/// Returns the attributes that are texts.
fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let texts = attributes.iter().filter_map(|attribute| {
        match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => Some((attribute.key.clone(), text.clone())),
            _ => None,
        }
    });
    texts.collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

async fn call(url: &str, params: serde_json::Value) -> String {
    let body = json!({"jsonrpc": "2.0", "id": "seven", "method": "tools/call", "params": params});
    let headers = [("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")];
    let (status, _, body) = send(Method::POST, url, &headers, body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn traces_reach_a_collector_and_go_on_from_the_client() {
    let (endpoint, mut spans) = collector().await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let server = ExampleServer::start_with("observed", &settings).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let add = json!({"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": {"traceparent": traceparent}});
    call(server.url(), add).await;
    call(server.url(), json!({"name": "add", "arguments": {"a": i64::MAX, "b": 1}})).await;

    let mut seen = Vec::new();
    while seen.len() < 4 {
        let (service, span) = timeout(Duration::from_secs(30), spans.recv())
            .await
            .expect("spans are exported")
            .expect("it runs");
        assert_eq!(service, "observed");
        seen.push(span);
    }
    let named = |name: &str| seen.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let ([_, _], [first, second]) = (&named("POST /mcp")[..], &named("tools/call add")[..]) else {
        panic!("not two of each: {seen:#?}")
    };
    let http = |span: &Span| {
        let linked = span.links.first().map(|link| &link.span_id);
        let is_it = |http: &&&Span| Some(&http.span_id) == linked || http.span_id == span.parent_span_id;
        named("POST /mcp").iter().find(is_it).map(|http| http.span_id.clone())
    };

    // The client's span is the parent, and the HTTP request is linked.
    assert_eq!((&*hex(&first.trace_id), &*hex(&first.parent_span_id)), (TRACE, PARENT));
    assert_eq!((first.kind, first.links.len(), http(first).is_some()), (SpanKind::Server as i32, 1, true));
    assert!(first.status.as_ref().is_none_or(|status| status.code == SpanStatus::Unset as i32), "{first:?}");
    let expected = [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "add"),
        ("jsonrpc.request.id", "seven"),
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", "2025-11-25"),
        ("mcp_stateless.era", "legacy"),
    ];
    let attributes = texts(&first.attributes);
    for (name, value) in expected {
        assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{attributes:?}");
    }
    assert!(!attributes.contains_key("error.type"), "{attributes:?}");

    // Without a remote parent, the HTTP request is the parent.
    assert_eq!(Some(&second.parent_span_id), http(second).as_ref());
    let attributes = texts(&second.attributes);
    assert_eq!(attributes.get("error.type").map(String::as_str), Some("tool_error"));
    let status = second.status.as_ref().expect("a status");
    assert_eq!(
        (status.code, &*status.message),
        (SpanStatus::Error as i32, ""),
        "messages are for clients alone"
    );
    let everything = format!("{seen:?}");
    assert!(!everything.contains("the sum is too large") && !everything.contains(&i64::MAX.to_string()));
}

#[tokio::test]
async fn what_is_left_is_exported_when_the_server_ends() {
    let (endpoint, mut spans) = collector().await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let server = ExampleServer::start_with("observed", &settings).await;
    call(server.url(), json!({"name": "echo", "arguments": {"text": "a"}})).await;
    assert!(spans.try_recv().is_err());
    assert!(server.ends_by("TERM").await.success());
    let mut names = Vec::new();
    while let Ok((_, span)) = spans.try_recv() {
        names.push(span.name);
    }
    names.sort();
    assert_eq!(names, ["POST /mcp", "tools/call echo"]);
}

#[tokio::test]
async fn metrics_are_those_of_the_conventions_and_clients_create_none() {
    let server = ExampleServer::start("observed").await;
    for _ in 0..3 {
        call(server.url(), json!({"name": "add", "arguments": {"a": 1, "b": 2}})).await;
    }
    call(server.url(), json!({"name": "add", "arguments": {"a": i64::MAX, "b": 1}})).await;
    for number in 0..20 {
        call(server.url(), json!({"name": format!("made_up_{number}")})).await;
    }
    let (status, _, _) = send(Method::GET, server.url(), &[], String::new()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);

    let url = server.url().replace("/mcp", "/metrics");
    let (status, headers, text) = send(Method::GET, &url, &[], String::new()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["content-type"].to_str().expect("ASCII").starts_with("application/openmetrics-text"));
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples: Vec<_> = text.lines().filter_map(Sample::parse).collect();
    let value = |name: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let sample = samples.iter().find(|sample| sample.name == name && sample.labels == labels);
        sample.unwrap_or_else(|| panic!("no {name} {labels:?}: {text}")).value.clone()
    };
    let call = [("mcp_method_name", "tools/call"), ("mcp_protocol_version", "2025-11-25")];
    let add = [call[0], call[1], ("gen_ai_tool_name", "add"), ("gen_ai_operation_name", "execute_tool")];
    let failed = |labels: &[(&'static str, &'static str)], error| [labels, &[("error_type", error)]].concat();
    let count = "mcp_server_operation_duration_seconds_count";
    assert_eq!(value(count, &add), "3");
    assert_eq!(value(count, &failed(&add, "tool_error")), "1");
    assert_eq!(value(count, &failed(&call, "-32602")), "20");
    let mut bucket = failed(&call, "-32602");
    bucket.push(("le", "300.0"));
    assert_eq!(value("mcp_server_operation_duration_seconds_bucket", &bucket), "20");
    assert_eq!(value("mcp_stateless_server_active_requests", &call[..1]), "0");
    let refused = [("mcp_stateless_refusal", "http_method")];
    assert_eq!(value("mcp_stateless_server_refused_requests_total", &refused), "1");
    assert_eq!(value("mcp_stateless_server_parked_questions", &[]), "0");
    assert!(!text.contains("made_up"), "{text}");
}

/// A line of a scrape.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: String,
}

impl Sample {
    /// Parses a line; `None` for a comment. No label of these has a comma or a quote in it.
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}')?.split_terminator(',').filter_map(|label| {
            let (key, value) = label.split_once('=')?;
            Some((key.to_owned(), value.trim_matches('"').to_owned()))
        });
        Some(Self { name: name.to_owned(), labels: labels.collect(), value: value.to_owned() })
    }
}
