//! The names of attributes and metrics.
//!
//! The names are those of OpenTelemetry's semantic conventions for MCP (status: development), which are
//! in `docs/gen-ai/mcp.md` of the repository `open-telemetry/semantic-conventions-genai`. Names that begin
//! with `mcp_stateless` are not part of the conventions.

/// The method, such as `tools/call`, or [`OTHER`] if the server does not know it.
pub const METHOD: &str = "mcp.method.name";
/// The revision of the protocol: `2026-07-28`.
pub const REVISION: &str = "mcp.protocol.version";
/// The era of the revision: `legacy` or `modern`.
pub const ERA: &str = "mcp_stateless.era";
/// The id of the request.
pub const REQUEST_ID: &str = "jsonrpc.request.id";
/// The URI of a resource, without user information, query and fragment.
pub const RESOURCE: &str = "mcp.resource.uri";
/// The name of a tool.
pub const TOOL: &str = "gen_ai.tool.name";
/// The name of a prompt.
pub const PROMPT: &str = "gen_ai.prompt.name";
/// The operation: [`EXECUTE_TOOL`] for a call of a tool; absent for other requests.
pub const OPERATION: &str = "gen_ai.operation.name";
/// The type of the error; absent unless the request failed. See
/// [`RequestEnd::error_type`](super::RequestEnd::error_type).
pub const ERROR_TYPE: &str = "error.type";
/// The code of the JSON-RPC error; absent if there is none.
pub const STATUS_CODE: &str = "rpc.response.status_code";
/// How a request ended; absent if it succeeded. See [`RequestEnd::as_str`](super::RequestEnd::as_str).
pub const OUTCOME: &str = "mcp_stateless.outcome";
/// The kind of a refusal. See [`RefusalKind::as_str`](super::RefusalKind::as_str).
pub const REFUSAL: &str = "mcp_stateless.refusal";
/// The kind of a stream. See [`StreamKind::as_str`](super::StreamKind::as_str).
pub const STREAM: &str = "mcp_stateless.stream";
/// How a parked question ended. See [`QuestionEnd::as_str`](super::QuestionEnd::as_str).
pub const QUESTION: &str = "mcp_stateless.question";
/// How a process stopped running a task. See [`TaskEnd::as_str`](super::TaskEnd::as_str).
pub const TASK: &str = "mcp_stateless.task";
/// The name of an upstream.
pub const UPSTREAM: &str = "mcp_stateless.upstream";
/// The transport to an upstream: `tcp` or `pipe`.
pub const TRANSPORT: &str = "network.transport";
/// The protocol below MCP: `http`.
pub const NETWORK_PROTOCOL: &str = "network.protocol.name";
/// The version of the protocol below MCP: `1.1` or `2`.
pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
/// The host of an upstream.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port of an upstream.
pub const SERVER_PORT: &str = "server.port";

/// The [`OPERATION`] of a call of a tool.
pub const EXECUTE_TOOL: &str = "execute_tool";
/// Replaces values that are not in a fixed list, so that clients cannot create new ones.
pub const OTHER: &str = "_OTHER";

/// The duration of a request: a histogram in seconds, with [`DURATION_BUCKETS`].
pub const SERVER_DURATION: &str = "mcp.server.operation.duration";
/// The duration of a request to an upstream: a histogram in seconds, with [`DURATION_BUCKETS`].
pub const CLIENT_DURATION: &str = "mcp.client.operation.duration";
/// The duration of a session with an upstream: a histogram in seconds, with [`DURATION_BUCKETS`]. There
/// is no `mcp.server.session.duration`, because the server has no sessions.
pub const CLIENT_SESSION_DURATION: &str = "mcp.client.session.duration";
/// The number of requests in flight.
pub const ACTIVE_REQUESTS: &str = "mcp_stateless.server.active_requests";
/// The total number of refused requests, by [`REFUSAL`].
pub const REFUSED_REQUESTS: &str = "mcp_stateless.server.refused_requests";
/// The number of open streams, by [`STREAM`].
pub const OPEN_STREAMS: &str = "mcp_stateless.server.open_streams";
/// The number of parked questions, which wait for the answer of a legacy client.
pub const PARKED_QUESTIONS: &str = "mcp_stateless.server.parked_questions";
/// The total number of parked questions that have ended, by [`QUESTION`].
pub const ENDED_QUESTIONS: &str = "mcp_stateless.server.ended_questions";
/// The number of tasks that run in this process.
pub const RUNNING_TASKS: &str = "mcp_stateless.server.running_tasks";
/// The total number of tasks that this process has stopped running, by [`TASK`].
pub const ENDED_TASKS: &str = "mcp_stateless.server.ended_tasks";
/// The number of open sessions with an upstream, by [`UPSTREAM`].
pub const OPEN_SESSIONS: &str = "mcp_stateless.client.open_sessions";

/// The upper bounds of the buckets of duration histograms, in seconds.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Attributes that `tracing-opentelemetry` turns into the name, the kind and the status of a span.
#[cfg(feature = "otel")]
pub(crate) mod otel {
    pub(crate) const NAME: &str = "otel.name";
    pub(crate) const KIND: &str = "otel.kind";
    pub(crate) const STATUS: &str = "otel.status_code";
}
