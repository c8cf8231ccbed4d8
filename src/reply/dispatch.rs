//! From a valid request to its pending reply: the only `match` on the method.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::Context;

use http::request::Parts;

use super::answer;
use super::bounded::{ask_bounded, start_bounded, too_many_calls};
use super::call::PendingCall;
use super::call_origin::CallOrigin;
use super::draft::Draft;
use super::message::SingleReply;
use super::pending::{PendingBody, PendingReply};
use super::reply::Reply;
#[cfg(feature = "ask")]
use super::unredeemed::UnredeemedCall;
#[cfg(feature = "ask")]
use crate::ask::AnswersError;
use crate::call::{Call, CallFuture, Exchange, Output, Tags, WriteResult};
use crate::completion::OwnedCompletionRequest;
use crate::http::Accepts;
use crate::jsonrpc::{Raw, RpcError};
use crate::observe::{Observed, ObservedRef};
use crate::protocol::error::method_not_found;
use crate::protocol::method::{Method, NamedBy};
use crate::protocol::{Era, LogLevel, Offer, Revision, ServerCapabilities};
use crate::registry::{Answer, ListRequest, Page, Registry};
use crate::request::{InBatch, Params, Refused, Valid, ValidRequest};
#[cfg(feature = "ask")]
use crate::resource::ResourceOutput;
use crate::resource::uri;
use crate::settings::Settings;

/// The maximum length of a requested URI, in bytes. It bounds the cost of normalising it.
pub(super) const MAX_URI: usize = 64 * 1024;

/// Dispatches the requests of one body to a registry.
pub(crate) struct Dispatcher<'r> {
    pub(crate) registry: &'r dyn Registry,
    pub(crate) settings: &'r Arc<Settings>,
    pub(crate) accepts: Accepts,
}

impl<'r> Dispatcher<'r> {
    /// Starts the work that needs the body; the result borrows nothing from it. Takes the head if
    /// the work keeps it.
    pub(crate) fn begin(&self, valid: Valid<'_>, head: &mut Parts, cx: &mut Context<'_>) -> PendingBody<'r> {
        match valid {
            Valid::Notification => PendingBody::ready(Reply::Accepted),
            Valid::Request(request) => PendingBody::One(self.request(&request, head, cx)),
            Valid::Answer(answer) => PendingBody::One(answer::deliver(answer, head, self.settings)),
            Valid::Batch(messages) => self.batch(messages, head, cx),
        }
    }

    /// Starts the requests of a batch. Their handlers' notifications are dropped, because the
    /// reply is one JSON array.
    fn batch(
        &self,
        messages: Vec<Result<InBatch<'_>, Refused<'_>>>,
        head: &Parts,
        cx: &mut Context<'_>,
    ) -> PendingBody<'r> {
        let quiet = Self { accepts: Accepts::JSON, ..*self };
        let requests = messages.into_iter().filter_map(|message| match message {
            Ok(InBatch::Request(request)) => Some(quiet.request(&request, &mut head.clone(), cx)),
            // An answer in a batch gets no reply, so a rejected one cannot be reported.
            Ok(InBatch::Answer(answer)) => {
                answer::send(answer, head, self.settings);
                None
            }
            Err(Refused { rejection, id }) => {
                Some(PendingReply::Ready(Reply::refuse(rejection, id, self.settings)))
            }
        });
        let requests: Vec<_> = requests.collect();
        if requests.is_empty() { PendingBody::ready(Reply::Accepted) } else { PendingBody::Batch(requests) }
    }

    /// Starts a request.
    #[inline]
    pub(crate) fn request(
        &self,
        request: &ValidRequest<'_>,
        head: &mut Parts,
        cx: &mut Context<'_>,
    ) -> PendingReply<'r> {
        if Observed::is_wanted(&self.settings.observe) {
            return self.observe(request, head, cx);
        }
        self.observed_request(request, head, ObservedRef::default(), cx)
    }

    /// Starts a request whose observation has begun, if it is observed. A reply that is not ready takes
    /// `observed` with it.
    pub(crate) fn observed_request(
        &self,
        request: &ValidRequest<'_>,
        head: &mut Parts,
        observed: ObservedRef<'_, '_>,
        cx: &mut Context<'_>,
    ) -> PendingReply<'r> {
        let has = self.registry.capabilities();
        let (registry, settings) = (self.registry, self.settings);
        match (request.method, request.era()) {
            (Method::ToolsCall, _) if has.tools != Offer::Nothing => {
                let begun =
                    self.call(request, head, observed, NamedBy::Name, cx, |call| registry.call_tool(call));
                begun.unwrap_or_else(PendingReply::Tool)
            }
            (Method::PromptsGet, _) if has.prompts != Offer::Nothing => {
                let begun =
                    self.call(request, head, observed, NamedBy::Name, cx, |call| registry.get_prompt(call));
                begun.unwrap_or_else(PendingReply::Prompt)
            }
            (Method::ResourcesRead, _) if has.resources != Offer::Nothing => {
                let read = |call: Call<'_>| {
                    #[cfg(feature = "ask")]
                    if call.answers.are_there() {
                        return registry.read_resource(call).map(ResourceOutput::uncached);
                    }
                    registry.read_resource(call)
                };
                let begun = self.call(request, head, observed, NamedBy::Uri, cx, read);
                begun.unwrap_or_else(PendingReply::Resource)
            }
            (Method::ToolsList, _) if has.tools != Offer::Nothing => {
                list(request, head, observed, settings, r#"{"tools":["#, |request| {
                    registry.list_tools(request)
                })
            }
            (Method::PromptsList, _) if has.prompts != Offer::Nothing => {
                list(request, head, observed, settings, r#"{"prompts":["#, |request| {
                    registry.list_prompts(request)
                })
            }
            (Method::ResourcesList, _) if has.resources != Offer::Nothing => {
                list(request, head, observed, settings, r#"{"resources":["#, |request| {
                    registry.list_resources(request)
                })
            }
            (Method::ResourcesTemplatesList, _) if has.resources != Offer::Nothing => {
                let list_templates = |request: ListRequest<'_>| registry.list_resource_templates(request);
                list(request, head, observed, settings, r#"{"resourceTemplates":["#, list_templates)
            }
            (Method::CompletionComplete, _) if has.completions => {
                complete(request, head, observed, registry, settings)
            }
            (Method::SubscriptionsListen, Era::Modern) if has.can_change() || settings.has_tasks() => {
                self.listen(request, head, observed)
            }
            #[cfg(feature = "tasks")]
            (Method::Tasks(method), Era::Modern) if settings.has_tasks() => {
                super::tasks::request(method, request, head, Draft::of(request), observed, settings)
            }
            _ => PendingReply::ready(self.answer_at_once(request, has), observed),
        }
    }

    /// Answers the methods that need nothing from the registry except its capabilities.
    fn answer_at_once(&self, request: &ValidRequest<'_>, has: ServerCapabilities) -> SingleReply {
        let draft = Draft::of(request);
        match (request.method, request.era()) {
            (Method::Initialize, Era::Legacy) => {
                draft.initialize(has, self.negotiate(request), self.settings)
            }
            (Method::ServerDiscover, Era::Modern) => draft.discover(has, self.settings),
            (Method::Ping, Era::Legacy) => draft.nothing(self.settings),
            (Method::LoggingSetLevel, Era::Legacy) if self.settings.logging => {
                match set_level(request.params.level) {
                    Ok(()) => draft.nothing(self.settings),
                    Err(error) => draft.error(&error),
                }
            }
            // Accepted without effect: there is no stream on which to send updates.
            (Method::ResourcesSubscribe | Method::ResourcesUnsubscribe, Era::Legacy)
                if has.resources != Offer::Nothing =>
            {
                match request.params.uri.and_then(Raw::string) {
                    Some(_) => draft.nothing(self.settings),
                    None => draft.error(&RpcError::invalid_params("`uri` must be a string")),
                }
            }
            _ => draft.error(&method_not_found(&request.method_name)),
        }
    }

    /// Starts a call. The error is a call that is not done yet.
    fn call<T: Output + WriteResult>(
        &self,
        request: &ValidRequest<'_>,
        head: &mut Parts,
        observed: ObservedRef<'_, '_>,
        named_by: NamedBy,
        cx: &mut Context<'_>,
        start: impl FnOnce(Call<'_>) -> CallFuture<T>,
    ) -> Result<PendingReply<'r>, Box<PendingCall<T>>> {
        let draft = Draft::of(request);
        let (written, arguments) = match call_params(request, named_by) {
            Ok(params) => params,
            Err(error) => return Ok(PendingReply::ready(draft.error(&error), observed)),
        };
        // From here on, access checks and handlers see the same spelling of a URI.
        let target = match named_by {
            NamedBy::Uri => uri::canonical(&written),
            NamedBy::Name => Cow::Borrowed(&*written),
            #[cfg(feature = "tasks")]
            NamedBy::TaskId => Cow::Borrowed(&*written),
        };
        #[cfg(feature = "ask")]
        let purpose = crate::ask::Purpose { method: &request.method_name, target: &target, arguments };
        #[cfg(feature = "ask")]
        let answers = match crate::ask::Answers::of(request, head, purpose, self.settings) {
            Ok(answers) => answers,
            Err(AnswersError::Refused(error)) => {
                return Ok(PendingReply::ready(draft.error(&error), observed));
            }
            Err(AnswersError::Unredeemed(redemption)) => {
                let (head, observed) = (take_head(head), observed.take());
                let unredeemed = UnredeemedCall { head, redemption, draft, observed };
                return Ok(PendingReply::Unredeemed(Box::new(unredeemed)));
            }
        };
        let start = |exchange: &mut Option<Arc<Exchange>>, head: &mut Parts| {
            let call = Call {
                target: &target,
                written: &written,
                called: &target,
                arguments,
                tags: Tags::default(),
                head,
                revision: request.revision,
                meta: &request.params.meta,
                log_level: request.log_level,
                settings: self.settings,
                takes_stream: self.accepts.takes_stream(),
                check: None,
                #[cfg(feature = "ask")]
                purpose,
                #[cfg(feature = "ask")]
                answers,
                exchange,
            };
            match &self.settings.calls {
                None => start(call),
                Some(calls) => start_bounded(calls, call, start),
            }
        };
        let origin = CallOrigin {
            target: &target,
            #[cfg(feature = "tasks")]
            arguments,
            #[cfg(feature = "tasks")]
            request,
        };
        let begun = PendingCall::begin(start, draft, observed, origin, head, self.settings, cx);
        begun.map(PendingReply::Ready)
    }

    /// Returns the revision for the result of `initialize`. The server does not store it: the
    /// client repeats it in a header of every request.
    fn negotiate(&self, request: &ValidRequest<'_>) -> Revision {
        let requested = request.params.protocol_version.and_then(Raw::string);
        let requested = requested.and_then(|name| Revision::from_name(&name));
        requested
            .filter(|&revision| revision.era() == Era::Legacy && self.settings.revisions.contains(revision))
            // Legacy requests get here only if the server speaks a legacy revision.
            .or(self.settings.revisions.newest_legacy())
            .unwrap_or(Revision::V2025_11_25)
    }
}

/// Takes the head, and leaves an empty one.
pub(crate) fn take_head(head: &mut Parts) -> Parts {
    std::mem::replace(head, http::Request::new(()).into_parts().0)
}

/// Starts a list request. `opening` is the text of the result before its definitions.
fn list<'r>(
    request: &ValidRequest<'_>,
    head: &Parts,
    observed: ObservedRef<'_, '_>,
    settings: &'r Arc<Settings>,
    opening: &'static str,
    list: impl FnOnce(ListRequest<'_>) -> Answer<'r, Page>,
) -> PendingReply<'r> {
    let draft = Draft::of(request);
    let cursor = Params::present(request.params.cursor);
    let text = cursor.map(Raw::string);
    let cursor = match &text {
        None => None,
        Some(Some(cursor)) => Some(&**cursor),
        Some(None) => {
            let error = RpcError::invalid_params("`cursor` must be a string");
            return PendingReply::ready(draft.error(&error), observed);
        }
    };
    let request = ListRequest { cursor, head, revision: request.revision, settings: Some(settings) };
    let mut full = None;
    let ask = || match &settings.calls {
        None => list(request),
        Some(calls) => ask_bounded(calls, head, &mut full, || list(request)),
    };
    let listing = observed.in_span(|| Answer::of(ask));
    if let Some(full) = full {
        return too_many_calls(full, draft, observed, settings);
    }
    PendingReply::of_answer(listing, draft, observed, settings, move |draft, page, settings| {
        draft.list(opening, page, settings)
    })
}

/// Starts a completion.
fn complete<'r>(
    request: &ValidRequest<'_>,
    head: &mut Parts,
    observed: ObservedRef<'_, '_>,
    registry: &'r dyn Registry,
    settings: &'r Arc<Settings>,
) -> PendingReply<'r> {
    let (params, draft) = (request.params.rare_params(), Draft::of(request));
    let owned = match OwnedCompletionRequest::read(params, take_head(head), request.revision, settings) {
        Ok(owned) => owned,
        Err(error) => return PendingReply::ready(draft.error(&error), observed),
    };
    let mut full = None;
    let asked = owned.borrow();
    let ask = || match &settings.calls {
        None => registry.complete(asked),
        Some(calls) => ask_bounded(calls, asked.head, &mut full, || registry.complete(asked)),
    };
    let completing = observed.in_span(|| Answer::of(ask));
    if let Some(full) = full {
        return too_many_calls(full, draft, observed, settings);
    }
    PendingReply::of_answer(completing, draft, observed, settings, Draft::output)
}

/// Reads the target of a call, and the JSON of its arguments.
fn call_params<'a>(
    request: &ValidRequest<'a>,
    named_by: NamedBy,
) -> Result<(Cow<'a, str>, &'a str), RpcError> {
    let target = request.params.named(named_by).and_then(Raw::string);
    let fault = || RpcError::invalid_params(format!("`{}` must be a string", named_by.as_str()));
    let target = target.ok_or_else(fault)?;
    if named_by == NamedBy::Uri && target.len() > MAX_URI {
        return Err(RpcError::invalid_params(format!("`uri` must have at most {MAX_URI} bytes")));
    }
    match Params::present(request.params.arguments) {
        // A resource has no arguments.
        Some(arguments) if named_by == NamedBy::Name => {
            let fault = || RpcError::invalid_params("`arguments` must be an object");
            Ok((target, arguments.is_object().then(|| arguments.text()).ok_or_else(fault)?))
        }
        _ => Ok((target, "{}")),
    }
}

/// Checks the level of `logging/setLevel`. It has no effect: without a session the server cannot
/// store it, so a legacy client gets every message.
fn set_level(level: Option<Raw<'_>>) -> Result<(), RpcError> {
    let level = level.and_then(|level| serde_json::from_str::<LogLevel>(level.text()).ok());
    level.map(|_| ()).ok_or_else(|| RpcError::invalid_params("`level` must be a log level"))
}
