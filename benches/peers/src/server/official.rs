//! The official Rust SDK, rmcp, in its cheapest configuration: no sessions, JSON responses unless a
//! request reports progress, no keep-alive timers, no list of allowed hosts, its service called
//! directly from hyper, and a hand-written handler whose tools are created once.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::{
    Request, Response,
    body::Incoming,
    service::{Service, service_fn},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities, ServerConfig,
        Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::Setting;
use crate::catalogue::{self, Entry, SERVER_NAME, SERVER_VERSION};

type Body = BoxBody<Bytes, Infallible>;

pub(super) fn service(
    setting: Setting,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
> + Clone {
    let tools: Arc<[Tool]> = catalogue::tools(setting.tools).into_iter().map(tool).collect();
    let handler = Handler { tools };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(!setting.sse)
        .with_sse_keep_alive(None)
        .with_sse_retry(None)
        .disable_allowed_hosts();
    let service: &'static _ = Box::leak(Box::new(StreamableHttpService::new(
        move || Ok(handler.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    )));
    service_fn(move |request| async move { Ok(service.handle(request).await) })
}

/// Creates the tool as the SDK's macros would, with static names and descriptions.
fn tool(entry: Entry) -> Tool {
    let Value::Object(schema) = entry.schema_value() else {
        unreachable!("the catalogue's schemas are objects");
    };
    let name: &'static str = entry.name.leak();
    let text: &'static str = entry.description.leak();
    Tool::new(name, text, schema)
}

#[derive(Clone)]
struct Handler {
    tools: Arc<[Tool]>,
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(SERVER_NAME, SERVER_VERSION))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = match &*request.name {
            "add" => {
                let Integers { a, b } = parse(arguments)?;
                a.wrapping_add(b).to_string()
            }
            "multiply" => {
                let Integers { a, b } = parse(arguments)?;
                a.wrapping_mul(b).to_string()
            }
            "echo" => parse::<Echo>(arguments)?.text,
            "countdown" => countdown(parse(arguments)?, &context).await?,
            _ => return Err(ErrorData::invalid_params("no such tool", None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

async fn countdown(arguments: Countdown, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
    let token = context.meta.get_progress_token();
    for made in 1..=arguments.from {
        if arguments.interval_ms > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(arguments.interval_ms)).await;
        }
        if let Some(token) = &token {
            let progress = ProgressNotificationParam::new(token.clone(), f64::from(made))
                .with_total(f64::from(arguments.from));
            let sent = context.peer.notify_progress(progress).await;
            sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
    }
    Ok("done".to_owned())
}

fn parse<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, ErrorData> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| ErrorData::invalid_params(error.to_string(), None))
}

#[derive(Deserialize)]
struct Integers {
    a: i64,
    b: i64,
}

#[derive(Deserialize)]
struct Echo {
    text: String,
}

#[derive(Deserialize)]
struct Countdown {
    from: u32,
    interval_ms: u64,
}
