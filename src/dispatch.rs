//! From a valid request to the work that answers it: the only `match` on the method.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;

use crate::call::Call;
use crate::config::Settings;
use crate::http::Accepts;
use crate::protocol::method::Method;
use crate::protocol::{Era, LogLevel, Revision};
use crate::registry::{ListTools, Registry};
use crate::rejection;
use crate::reply::{Draft, Reply};
use crate::request::{Params, Refused, Valid, ValidRequest};
use crate::rpc::write::{ReplyId, ReplyStart};
use crate::rpc::{Raw, RpcError};
use crate::tool::{RunningTool, ToolCall};
use crate::work::{Request, Work};

/// Begins to answer requests with the tools of one registry.
pub(crate) struct Dispatcher<'r, R> {
    pub(crate) registry: &'r R,
    pub(crate) settings: &'r Arc<Settings>,
    pub(crate) accepts: Accepts,
}

impl<'r, R: Registry> Dispatcher<'r, R> {
    /// Does what can be done while the body is there; the rest borrows nothing of it.
    pub(crate) fn begin(&self, body: Valid<'_>, head: Parts) -> Work<'r> {
        match body {
            Valid::Notification => Work::One(Request::Answered(Reply::Accepted)),
            Valid::Request(request) => Work::One(self.request(&request, head)),
            Valid::Batch(requests) => self.batch(requests, &head),
        }
    }

    /// What the tools of a batch notify is dropped, for its answer is one JSON body.
    fn batch(&self, requests: Vec<Result<ValidRequest<'_>, Refused<'_>>>, head: &Parts) -> Work<'r> {
        let quiet = Self { accepts: Accepts::JSON, ..*self };
        let requests = requests.into_iter().map(|request| match request {
            Ok(request) => quiet.request(&request, head.clone()),
            Err(Refused { rejection, id }) => Request::Answered(Reply::refuse(rejection, id, self.settings)),
        });
        Work::Batch(requests.collect())
    }

    fn request(&self, request: &ValidRequest<'_>, head: Parts) -> Request<'r> {
        let has = self.registry.capabilities();
        let draft = Draft {
            start: ReplyStart::new(ReplyId::Request(request.id)),
            era: request.era(),
            settings: Arc::clone(self.settings),
        };
        Request::Answered(match (request.method, request.era()) {
            (Method::ToolsCall, _) if has.tools => return self.call_tool(request, head, draft),
            (Method::ToolsList, _) if has.tools => return self.list_tools(request, &head, draft),
            (Method::Initialize, Era::Legacy) => draft.initialize(has, self.negotiate(request)),
            (Method::Ping, Era::Legacy) => draft.nothing(),
            (Method::LoggingSetLevel, Era::Legacy) if self.settings.logging => {
                match set_level(request.params.level) {
                    Ok(()) => draft.nothing(),
                    Err(error) => draft.error(&error),
                }
            }
            (Method::ServerDiscover, Era::Modern) => draft.discover(has),
            _ => draft.error(&rejection::method_not_found(&request.method_name)),
        })
    }

    fn call_tool(&self, request: &ValidRequest<'_>, head: Parts, draft: Draft) -> Request<'r> {
        let (name, arguments) = match call_params(request) {
            Ok(params) => params,
            Err(error) => return Request::Answered(draft.error(&error)),
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
            takes_stream: self.accepts.takes_stream(),
            exchange: &mut exchange,
        };
        let running =
            RunningTool::start(&name, || self.registry.call_tool(call), self.settings.tool_time_limit);
        Request::Call(Box::new(Call::new(running, exchange, draft)))
    }

    fn list_tools(&self, request: &ValidRequest<'_>, head: &Parts, draft: Draft) -> Request<'r> {
        let cursor = Params::present(request.params.cursor);
        let text = cursor.map(Raw::string);
        let cursor = match &text {
            None => None,
            Some(Some(cursor)) => Some(&**cursor),
            Some(None) => {
                let error = RpcError::invalid_params("`cursor` must be a string");
                return Request::Answered(draft.error(&error));
            }
        };
        let list = ListTools { cursor, head, revision: request.revision };
        Request::List(Box::new((self.registry.list_tools(list), draft)))
    }

    /// The revision that `initialize` answers. Nothing remembers it: it comes back in
    /// a header with every request.
    fn negotiate(&self, request: &ValidRequest<'_>) -> Revision {
        let requested = request.params.protocol_version.and_then(Raw::string);
        let requested = requested.and_then(|name| Revision::from_name(&name));
        requested
            .filter(|&revision| revision.era() == Era::Legacy && self.settings.serves(revision))
            // A request of the legacy era only gets here when there is one to fall back to.
            .or(self.settings.newest_legacy())
            .unwrap_or(Revision::V2025_11_25)
    }
}

/// The name of the tool and the JSON of its arguments.
fn call_params<'a>(request: &ValidRequest<'a>) -> Result<(Cow<'a, str>, &'a str), RpcError> {
    let name = request.params.name.and_then(Raw::string);
    let name = name.ok_or_else(|| RpcError::invalid_params("`name` must be a string"))?;
    match Params::present(request.params.arguments) {
        None => Ok((name, "{}")),
        Some(arguments) if arguments.is_object() => Ok((name, arguments.text())),
        Some(_) => Err(RpcError::invalid_params("`arguments` must be an object")),
    }
}

/// Nothing remembers the level: there is no session, and every message is sent.
fn set_level(level: Option<Raw<'_>>) -> Result<(), RpcError> {
    let level = level.and_then(|level| serde_json::from_str::<LogLevel>(level.text()).ok());
    level.map(|_| ()).ok_or_else(|| RpcError::invalid_params("`level` must be a log level"))
}
