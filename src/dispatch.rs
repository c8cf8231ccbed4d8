//! From a valid request to its reply: the only `match` on the method.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use http::request::Parts;
use serde_json::value::RawValue;

use crate::call::Call;
use crate::config::Settings;
use crate::http::Accepts;
use crate::protocol::method::Method;
use crate::protocol::{CacheHint, CacheScope, Declared, DeclaredCapabilities, Era, LogLevel, Revision};
use crate::registry::{ListTools, Registry, ToolPage};
use crate::rejection;
use crate::reply::{CallReply, Reply, end_result};
use crate::request::{Refused, Valid, ValidRequest};
use crate::rpc::write::{self, ReplyId, ReplyStart};
use crate::rpc::{RpcError, raw};
use crate::tool::{RunningTool, ToolCall};

/// Answers requests with the tools of one registry.
pub(crate) struct Dispatcher<'s, R> {
    pub(crate) registry: &'s R,
    pub(crate) settings: &'s Arc<Settings>,
    pub(crate) accepts: Accepts,
}

impl<R: Registry> Dispatcher<'_, R> {
    pub(crate) async fn dispatch(&self, body: Valid<'_>, head: Parts) -> Reply {
        match body {
            Valid::Notification => Reply::Accepted,
            Valid::Request(request) => self.request(request, head).await,
            Valid::Batch(requests) => self.batch(requests, &head).await,
        }
    }

    async fn request(&self, request: ValidRequest<'_>, head: Parts) -> Reply {
        let has = self.registry.capabilities();
        let start = ReplyStart::new(ReplyId::Request(request.id));
        let era = request.era();
        let result = match (request.method, era) {
            (Method::Initialize, Era::Legacy) => Ok(start.result(|buffer| self.initialize(buffer, &request))),
            (Method::Ping, Era::Legacy) => Ok(start.result(|buffer| buffer.extend_from_slice(b"{}"))),
            (Method::LoggingSetLevel, Era::Legacy) if self.settings.logging => {
                match set_level(request.params.level) {
                    Ok(()) => Ok(start.result(|buffer| buffer.extend_from_slice(b"{}"))),
                    Err(error) => Err((start, error)),
                }
            }
            (Method::ServerDiscover, Era::Modern) => Ok(start.result(|buffer| self.discover(buffer))),
            (Method::ToolsList, _) if has.tools => match self.list_tools(&request, &head).await {
                Ok(page) => Ok(start.result(|buffer| self.write_tools(buffer, &page, era))),
                Err(error) => Err((start, error)),
            },
            (Method::ToolsCall, _) if has.tools => return self.call_tool(request, head, start).await,
            _ => Err((start, rejection::method_not_found(&request.method_name))),
        };
        match result {
            Ok(message) => Reply::Result(message),
            Err((start, error)) => Reply::fail(start, &error, era),
        }
    }

    /// Answers the requests of a batch, all at once, by one array. What their
    /// tools notify is dropped, for the array is one JSON body.
    async fn batch(&self, requests: Vec<Result<ValidRequest<'_>, Refused<'_>>>, head: &Parts) -> Reply {
        let one = Dispatcher { accepts: Accepts { json: true, sse: false }, ..*self };
        let mut answers: Vec<Answering<'_>> = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(match request {
                Ok(request) => Answering::Under(Box::pin(one.request(request, head.clone()))),
                Err(Refused { rejection, id }) => {
                    Answering::Done(Reply::refuse(&rejection, id, self.settings).into_message())
                }
            });
        }
        poll_fn(|cx| {
            let mut all = true;
            for answer in &mut answers {
                if let Answering::Under(work) = answer {
                    match work.as_mut().poll(cx) {
                        Poll::Ready(reply) => *answer = Answering::Done(reply.into_message()),
                        Poll::Pending => all = false,
                    }
                }
            }
            if all { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let mut array = vec![b'['];
        for answer in answers {
            if let Answering::Done(message) = answer {
                if array.len() > 1 {
                    array.push(b',');
                }
                array.extend_from_slice(&message);
            }
        }
        array.push(b']');
        Reply::Result(array)
    }

    /// Runs the tool until it is done, or until it has something to tell on the way.
    async fn call_tool(&self, request: ValidRequest<'_>, head: Parts, start: ReplyStart) -> Reply {
        let era = request.era();
        let (name, arguments) = match call_params(&request) {
            Ok(params) => params,
            Err(error) => return Reply::fail(start, &error, era),
        };
        let mut exchange = None;
        let call = ToolCall {
            name: &name,
            arguments,
            head,
            revision: request.revision,
            meta: &request.meta,
            log_level: request.log_level,
            is_logging: self.settings.logging,
            takes_stream: self.accepts.sse,
            exchange: &mut exchange,
        };
        let running = RunningTool::start(|| self.registry.call_tool(call), self.settings.tool_time_limit);
        let reply = CallReply { start, era, settings: Arc::clone(self.settings) };
        Call::new(running, exchange, reply).answer(self.settings.keep_alive).await
    }

    async fn list_tools(&self, request: &ValidRequest<'_>, head: &Parts) -> Result<ToolPage, RpcError> {
        let cursor = match raw::present(request.params.cursor) {
            None => None,
            Some(cursor) => {
                let text = raw::string(cursor);
                Some(text.ok_or_else(|| RpcError::invalid_params("`cursor` must be a string"))?)
            }
        };
        let list = ListTools { cursor: cursor.as_deref(), head, revision: request.revision };
        self.registry.list_tools(list).get().await
    }

    fn write_tools(&self, buffer: &mut Vec<u8>, page: &ToolPage, era: Era) {
        buffer.reserve(page.definitions.len() + 256);
        buffer.extend_from_slice(br#"{"tools":["#);
        buffer.extend_from_slice(&page.definitions);
        buffer.push(b']');
        if let Some(cursor) = &page.next_cursor {
            write::key(buffer, "nextCursor");
            write::string(buffer, cursor);
        }
        if era == Era::Modern {
            write_cache_hint(buffer, page.cache);
        }
        end_result(buffer, era, self.settings);
    }

    /// The legacy handshake. Nothing of it is remembered: the revision comes back
    /// in a header with every request.
    fn initialize(&self, buffer: &mut Vec<u8>, request: &ValidRequest<'_>) {
        let requested = request.params.protocol_version.and_then(raw::string);
        let requested = requested
            .and_then(|name| Revision::from_name(&name))
            .filter(|revision| revision.era() == Era::Legacy && self.settings.serves(*revision));
        // A request of the legacy era only gets here when there is one to fall back to.
        let revision = requested.or(self.settings.newest_legacy()).unwrap_or(Revision::V2025_11_25);
        buffer.push(b'{');
        write::key(buffer, "protocolVersion");
        write::string(buffer, revision.as_str());
        self.write_capabilities(buffer);
        write::key(buffer, "serverInfo");
        buffer.extend_from_slice(self.settings.server_info.as_bytes());
        self.write_instructions(buffer);
        buffer.push(b'}');
    }

    fn discover(&self, buffer: &mut Vec<u8>) {
        buffer.push(b'{');
        write::key(buffer, "supportedVersions");
        // Strings are always JSON.
        let _ = write::json(buffer, &self.settings.version_names());
        self.write_capabilities(buffer);
        self.write_instructions(buffer);
        write_cache_hint(buffer, self.settings.cache_hint);
        end_result(buffer, Era::Modern, self.settings);
    }

    fn write_capabilities(&self, buffer: &mut Vec<u8>) {
        let declared = DeclaredCapabilities {
            logging: self.settings.logging.then_some(Declared {}),
            tools: self.registry.capabilities().tools.then_some(Declared {}),
        };
        write::key(buffer, "capabilities");
        // Objects with fixed keys are always JSON.
        let _ = write::json(buffer, &declared);
    }

    fn write_instructions(&self, buffer: &mut Vec<u8>) {
        if let Some(instructions) = &self.settings.instructions {
            write::key(buffer, "instructions");
            write::string(buffer, instructions);
        }
    }
}

/// One request of a batch.
enum Answering<'a> {
    Under(Pin<Box<dyn Future<Output = Reply> + Send + 'a>>),
    Done(Vec<u8>),
}

/// The name of the tool and the JSON of its arguments.
fn call_params<'a>(request: &ValidRequest<'a>) -> Result<(Cow<'a, str>, &'a str), RpcError> {
    let name = request.params.name.and_then(raw::string);
    let name = name.ok_or_else(|| RpcError::invalid_params("`name` must be a string"))?;
    match raw::present(request.params.arguments) {
        None => Ok((name, "{}")),
        Some(arguments) if raw::is_object(arguments) => Ok((name, arguments.get())),
        Some(_) => Err(RpcError::invalid_params("`arguments` must be an object")),
    }
}

/// Nothing remembers the level: there is no session, and every message is sent.
fn set_level(level: Option<&RawValue>) -> Result<(), RpcError> {
    let level = level.and_then(|level| serde_json::from_str::<LogLevel>(level.get()).ok());
    level.map(|_| ()).ok_or_else(|| RpcError::invalid_params("`level` must be a log level"))
}

fn write_cache_hint(buffer: &mut Vec<u8>, hint: CacheHint) {
    write::key(buffer, "ttlMs");
    buffer.extend_from_slice(hint.ttl.as_millis().to_string().as_bytes());
    write::key(buffer, "cacheScope");
    write::string(
        buffer,
        match hint.scope {
            CacheScope::Private => "private",
            CacheScope::Public => "public",
        },
    );
}
