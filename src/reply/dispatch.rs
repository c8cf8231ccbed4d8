//! From a valid request to its pending reply: the only `match` on the method.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;

use super::call::PendingCall;
use super::draft::Draft;
use super::listen::{SubscriptionFilter, SubscriptionStream};
use super::message::SingleReply;
use super::pending::{PendingBody, PendingReply};
use super::reply::Reply;
#[cfg(feature = "ask")]
use super::unredeemed::UnredeemedCall;
#[cfg(feature = "ask")]
use crate::ask::{AnswersError, DeliveryOutcome};
use crate::call::{Call, CallFuture, GuardedCall, Output, Tags, WriteResult};
use crate::completion::OwnedCompletionRequest;
use crate::http::{Accepts, HttpFault};
use crate::jsonrpc::write::{ReplyId, ReplyStart};
use crate::jsonrpc::{Raw, RpcError};
use crate::principal::Principal;
use crate::protocol::error::method_not_found;
use crate::protocol::method::{Method, NamedBy};
use crate::protocol::{Era, LogLevel, Offer, Revision, ServerCapabilities};
use crate::registry::{Answer, ListRequest, Page, Registry, guarded};
use crate::request::{ClientAnswer, InBatch, Params, Refused, Rejection, Valid, ValidRequest};
use crate::resource::uri;
use crate::settings::Settings;

/// The maximum length of a requested URI, in bytes. It bounds the cost of normalising it.
const MAX_URI: usize = 64 * 1024;
/// The maximum length of a subscription's id, in bytes. Every message of the stream repeats it.
const MAX_SUBSCRIPTION_ID: usize = 1024;

/// Dispatches the requests of one body to a registry.
pub(crate) struct Dispatcher<'r, 'b, R> {
    pub(crate) registry: &'r R,
    pub(crate) settings: &'b Arc<Settings>,
    pub(crate) accepts: Accepts,
}

impl<'r, R: Registry> Dispatcher<'r, '_, R> {
    /// Starts the work that needs the body; the result borrows nothing from it.
    pub(crate) fn begin(&self, valid: Valid<'_>, head: Parts) -> PendingBody<'r> {
        match valid {
            Valid::Notification => PendingBody::ready(Reply::Accepted),
            Valid::Request(request) => PendingBody::One(self.request(&request, head)),
            Valid::Answer(answer) => PendingBody::ready(self.answer(answer, &head)),
            Valid::Batch(messages) => self.batch(messages, &head),
        }
    }

    /// Starts the requests of a batch. Their handlers' notifications are dropped, because the
    /// reply is one JSON array.
    fn batch(&self, messages: Vec<Result<InBatch<'_>, Refused<'_>>>, head: &Parts) -> PendingBody<'r> {
        let quiet = Self { accepts: Accepts::JSON, ..*self };
        let requests = messages.into_iter().filter_map(|message| match message {
            Ok(InBatch::Request(request)) => Some(quiet.request(&request, head.clone())),
            // An answer in a batch gets no reply, so a rejected one cannot be reported.
            Ok(InBatch::Answer(answer)) => {
                self.answer(answer, head);
                None
            }
            Err(Refused { rejection, id }) => Some(PendingReply::Ready(Reply::refuse(rejection, id))),
        });
        let requests: Vec<_> = requests.collect();
        if requests.is_empty() { PendingBody::ready(Reply::Accepted) } else { PendingBody::Batch(requests) }
    }

    fn request(&self, request: &ValidRequest<'_>, head: Parts) -> PendingReply<'r> {
        let has = self.registry.capabilities();
        let draft = Draft {
            start: ReplyStart::new(ReplyId::Request(request.id)),
            era: request.era(),
            settings: Arc::clone(self.settings),
        };
        let registry = self.registry;
        match (request.method, request.era()) {
            (Method::ToolsCall, _) if has.tools != Offer::Nothing => {
                let call = self.call(request, head, draft, NamedBy::Name, |call| registry.call_tool(call));
                call.map_or_else(|instead| instead, PendingReply::Tool)
            }
            (Method::PromptsGet, _) if has.prompts != Offer::Nothing => {
                let call = self.call(request, head, draft, NamedBy::Name, |call| registry.get_prompt(call));
                call.map_or_else(|instead| instead, PendingReply::Prompt)
            }
            (Method::ResourcesRead, _) if has.resources != Offer::Nothing => {
                let call = self.call(request, head, draft, NamedBy::Uri, |call| registry.read_resource(call));
                call.map_or_else(|instead| instead, PendingReply::Resource)
            }
            (Method::ToolsList, _) if has.tools != Offer::Nothing => {
                list(request, &head, draft, r#"{"tools":["#, |request| registry.list_tools(request))
            }
            (Method::PromptsList, _) if has.prompts != Offer::Nothing => {
                list(request, &head, draft, r#"{"prompts":["#, |request| registry.list_prompts(request))
            }
            (Method::ResourcesList, _) if has.resources != Offer::Nothing => {
                list(request, &head, draft, r#"{"resources":["#, |request| registry.list_resources(request))
            }
            (Method::ResourcesTemplatesList, _) if has.resources != Offer::Nothing => {
                let list_templates = |request: ListRequest<'_>| registry.list_resource_templates(request);
                list(request, &head, draft, r#"{"resourceTemplates":["#, list_templates)
            }
            (Method::CompletionComplete, _) if has.completions => {
                match OwnedCompletionRequest::read(
                    request.params.rare_params(),
                    head,
                    request.revision,
                    self.settings,
                ) {
                    Ok(owned) => {
                        let completing = Answer::of(|| registry.complete(owned.borrow()));
                        PendingReply::of_answer(completing, draft, Draft::output)
                    }
                    Err(error) => PendingReply::Ready(draft.error(&error).into()),
                }
            }
            (Method::SubscriptionsListen, Era::Modern) if has.can_change() => {
                PendingReply::Ready(self.listen(request, &head, draft))
            }
            _ => PendingReply::Ready(self.answer_at_once(request, has, draft).into()),
        }
    }

    /// Answers the methods that need nothing from the registry except its capabilities.
    fn answer_at_once(
        &self,
        request: &ValidRequest<'_>,
        has: ServerCapabilities,
        draft: Draft,
    ) -> SingleReply {
        match (request.method, request.era()) {
            (Method::Initialize, Era::Legacy) => draft.initialize(has, self.negotiate(request)),
            (Method::ServerDiscover, Era::Modern) => draft.discover(has),
            (Method::Ping, Era::Legacy) => draft.nothing(),
            (Method::LoggingSetLevel, Era::Legacy) if self.settings.logging => {
                match set_level(request.params.level) {
                    Ok(()) => draft.nothing(),
                    Err(error) => draft.error(&error),
                }
            }
            // Accepted without effect: there is no stream on which to send updates.
            (Method::ResourcesSubscribe | Method::ResourcesUnsubscribe, Era::Legacy)
                if has.resources != Offer::Nothing =>
            {
                match request.params.uri.and_then(Raw::string) {
                    Some(_) => draft.nothing(),
                    None => draft.error(&RpcError::invalid_params("`uri` must be a string")),
                }
            }
            _ => draft.error(&method_not_found(&request.method_name)),
        }
    }

    /// Starts a call.
    fn call<T: Output + WriteResult>(
        &self,
        request: &ValidRequest<'_>,
        head: Parts,
        draft: Draft,
        named_by: NamedBy,
        start: impl FnOnce(Call<'_>) -> CallFuture<T>,
    ) -> Result<Box<PendingCall<T>>, PendingReply<'r>> {
        let (written, arguments) = match call_params(request, named_by) {
            Ok(params) => params,
            Err(error) => return Err(PendingReply::Ready(draft.error(&error).into())),
        };
        // From here on, access checks and handlers see the same spelling of a URI.
        let target = match named_by {
            NamedBy::Uri => uri::canonical(&written),
            NamedBy::Name => Cow::Borrowed(&*written),
        };
        #[cfg(feature = "ask")]
        let purpose = crate::ask::Purpose { method: &request.method_name, target: &target, arguments };
        #[cfg(feature = "ask")]
        let answers = match crate::ask::Answers::of(request, &head, purpose, self.settings) {
            Ok(answers) => answers,
            Err(AnswersError::Refused(error)) => return Err(PendingReply::Ready(draft.error(&error).into())),
            Err(AnswersError::Unredeemed(redemption)) => {
                return Err(PendingReply::Unredeemed(Box::new(UnredeemedCall { head, redemption, draft })));
            }
        };
        let mut exchange = None;
        let call = Call {
            target: &target,
            written: &written,
            arguments,
            tags: Tags::default(),
            head,
            revision: request.revision,
            meta: &request.meta,
            log_level: request.log_level,
            settings: self.settings,
            takes_stream: self.accepts.takes_stream(),
            check: None,
            #[cfg(feature = "ask")]
            purpose,
            #[cfg(feature = "ask")]
            answers,
            exchange: &mut exchange,
        };
        let guarded = GuardedCall::start(&target, || start(call), self.settings);
        Ok(Box::new(PendingCall::new(guarded, exchange, draft)))
    }

    fn listen(&self, request: &ValidRequest<'_>, head: &Parts, draft: Draft) -> Reply {
        let id = ReplyId::Request(request.id);
        let refuse = |rejection: Rejection| Reply::refuse(rejection, id);
        if !self.accepts.takes_stream() {
            return refuse(HttpFault::NotAcceptable.into());
        }
        if request.id.as_json().len() > MAX_SUBSCRIPTION_ID {
            return refuse(Rejection::InvalidRequest(
                "the `id` of a subscription must have at most 1024 bytes",
            ));
        }
        let wanted = request.params.rare_params().notifications.map_or("null", Raw::text);
        let honoured = |wanted: SubscriptionFilter| guarded(|| wanted.honoured(self.registry, head));
        let wanted = match SubscriptionFilter::read(wanted).and_then(honoured) {
            Ok(wanted) => wanted,
            Err(error) => return draft.error(&error).into(),
        };
        let place = match self.settings.listeners.take(Principal::of(head)) {
            Ok(place) => place,
            Err(full) => return refuse(Rejection::TooManyListeners(full)),
        };
        let listener = self.settings.drain.listen(place);
        let changes = self.registry.changes().subscribe();
        let id = request.id.as_json().to_owned();
        let keep_alive = self.settings.keep_alive;
        Reply::Subscription(Box::new(SubscriptionStream::new(
            wanted,
            head.clone(),
            id,
            changes,
            listener,
            draft,
            keep_alive,
        )))
    }

    /// Delivers a client's answer to the call that waits for it.
    fn answer(&self, answer: ClientAnswer<'_>, head: &Parts) -> Reply {
        #[cfg(feature = "ask")]
        let rejection = match self.settings.ask.parking.deliver(answer, head) {
            DeliveryOutcome::Perhaps => return Reply::Accepted,
            DeliveryOutcome::Nowhere => Rejection::UnexpectedResponse,
            DeliveryOutcome::NotHere => Rejection::ResponseToAnotherReplica,
        };
        #[cfg(not(feature = "ask"))]
        let (rejection, _) = (Rejection::UnexpectedResponse, (self.settings, head));
        Reply::refuse(rejection, ReplyId::Request(answer.id))
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

/// Starts a list request. `opening` is the text of the result before its definitions.
fn list<'r>(
    request: &ValidRequest<'_>,
    head: &Parts,
    draft: Draft,
    opening: &'static str,
    list: impl FnOnce(ListRequest<'_>) -> Answer<'r, Page>,
) -> PendingReply<'r> {
    let cursor = Params::present(request.params.cursor);
    let text = cursor.map(Raw::string);
    let cursor = match &text {
        None => None,
        Some(Some(cursor)) => Some(&**cursor),
        Some(None) => {
            let error = RpcError::invalid_params("`cursor` must be a string");
            return PendingReply::Ready(draft.error(&error).into());
        }
    };
    let request = ListRequest { cursor, head, revision: request.revision, settings: Some(&draft.settings) };
    let listing = Answer::of(|| list(request));
    PendingReply::of_answer(listing, draft, move |draft, page| draft.list(opening, page))
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
