//! The names of attributes and metrics.
//!
//! Those that OpenTelemetry's semantic conventions for MCP define (status: development) are theirs.
//! The conventions are kept in the repository `open-telemetry/semantic-conventions-genai`, in
//! `docs/gen-ai/mcp.md`. Names that begin with `mcp_stateless` have no counterpart there.

/// The method: `tools/call`, or [`OTHER`] for one that the server does not know.
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
/// What is done: [`EXECUTE_TOOL`] for a call of a tool, else absent.
pub const OPERATION: &str = "gen_ai.operation.name";
/// Why it failed; absent if it did not. See [`RequestEnd::error_type`](super::RequestEnd::error_type).
pub const ERROR_TYPE: &str = "error.type";
/// The code of the JSON-RPC error, if there is one.
pub const STATUS_CODE: &str = "rpc.response.status_code";
/// How a request ended; absent if it simply succeeded. See [`RequestEnd::as_str`](super::RequestEnd::as_str).
pub const OUTCOME: &str = "mcp_stateless.outcome";
/// The kind of a refusal. See [`RefusalKind::as_str`](super::RefusalKind::as_str).
pub const REFUSAL: &str = "mcp_stateless.refusal";
/// The kind of a stream. See [`StreamKind::as_str`](super::StreamKind::as_str).
pub const STREAM: &str = "mcp_stateless.stream";
/// How a parked question ended. See [`QuestionEnd::as_str`](super::QuestionEnd::as_str).
pub const QUESTION: &str = "mcp_stateless.question";
/// How a task ended in a process. See [`TaskEnd::as_str`](super::TaskEnd::as_str).
pub const TASK: &str = "mcp_stateless.task";
/// The label of an upstream.
pub const UPSTREAM: &str = "mcp_stateless.upstream";
/// How messages travel: `tcp` or `pipe`.
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
/// Stands for values that are not listed, so that clients cannot invent any.
pub const OTHER: &str = "_OTHER";

/// How long a server takes for a request: a histogram in seconds, with [`DURATION_BUCKETS`].
pub const SERVER_DURATION: &str = "mcp.server.operation.duration";
/// How long a request to an upstream takes: a histogram in seconds, with [`DURATION_BUCKETS`].
pub const CLIENT_DURATION: &str = "mcp.client.operation.duration";
/// How long a session with an upstream lasts: a histogram in seconds, with [`DURATION_BUCKETS`].
/// The server side has no sessions, and so no `mcp.server.session.duration`.
pub const CLIENT_SESSION_DURATION: &str = "mcp.client.session.duration";
/// The number of requests in flight.
pub const ACTIVE_REQUESTS: &str = "mcp_stateless.server.active_requests";
/// How many requests were refused, by [`REFUSAL`].
pub const REFUSED_REQUESTS: &str = "mcp_stateless.server.refused_requests";
/// The number of open streams, by [`STREAM`].
pub const OPEN_STREAMS: &str = "mcp_stateless.server.open_streams";
/// The number of questions that wait for their client's answer.
pub const PARKED_QUESTIONS: &str = "mcp_stateless.server.parked_questions";
/// How many parked questions have ended, by [`QUESTION`].
pub const ENDED_QUESTIONS: &str = "mcp_stateless.server.ended_questions";
/// The number of tasks that run in this process.
pub const RUNNING_TASKS: &str = "mcp_stateless.server.running_tasks";
/// How many tasks have ended in this process, by [`TASK`].
pub const ENDED_TASKS: &str = "mcp_stateless.server.ended_tasks";
/// The number of open sessions with an upstream, by [`UPSTREAM`].
pub const OPEN_SESSIONS: &str = "mcp_stateless.client.open_sessions";

/// The upper bounds of the buckets of durations, in seconds.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Attributes that `tracing-opentelemetry` turns into the name, the kind and the status of a span.
#[cfg(feature = "otel")]
pub(crate) mod otel {
    pub(crate) const NAME: &str = "otel.name";
    pub(crate) const KIND: &str = "otel.kind";
    pub(crate) const STATUS: &str = "otel.status_code";
}
