//! The saved call of a task, which another replica can restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::data::raw;
use crate::ask::{Answers, Purpose, TaskLink};
#[cfg(feature = "auth")]
use crate::auth::{Access, SavedToken, TokenEnd};
use crate::call::{AuthorizedBefore, Call, Exchange, GuardedCall, Tags};
use crate::principal::Principal;
use crate::protocol::Revision;
use crate::protocol::meta::Meta;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::tool::ToolOutput;

/// Headers with credentials. They are not stored: the caller has been authenticated, and is stored as a
/// principal.
const CREDENTIALS: [HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, HeaderName::from_static("dpop")];

/// A call whose request is still available.
pub(crate) struct SeedParts<'a> {
    pub(crate) target: &'a str,
    pub(crate) arguments: &'a str,
    pub(crate) meta: &'a Meta<'a>,
    pub(crate) revision: Revision,
    pub(crate) head: &'a Parts,
}

/// What is copied of a call that may become a task. Most calls end before, so as little as possible is
/// done here. It shares no memory with the request, whose buffers may be large.
pub(super) struct KeptCall {
    target: String,
    arguments: String,
    /// `None` if the exchange of the call has it.
    request: Option<KeptRequest>,
}

struct KeptRequest {
    revision: Revision,
    /// The JSON of `_meta`.
    meta: String,
    /// The URI, and a line for each header, with a colon after its name.
    head: String,
    principal: Option<Principal>,
    #[cfg(feature = "auth")]
    access: Option<Access>,
}

impl KeptCall {
    /// Keeps a call, and its request if no exchange does.
    pub(super) fn new(parts: &SeedParts<'_>, exchange: Option<&Exchange>) -> Self {
        let SeedParts { target, arguments, meta, revision, head } = *parts;
        let request = exchange.is_none().then(|| KeptRequest::new(revision, meta.to_json(), head));
        Self { target: target.to_owned(), arguments: arguments.to_owned(), request }
    }

    /// Returns the call as it is stored. `None` if a part is not what it was checked to be.
    pub(super) fn save(&mut self, exchange: Option<&Exchange>) -> Option<SavedCall> {
        let of_exchange =
            |exchange: &Exchange| KeptRequest::new(exchange.revision, exchange.meta.clone(), &exchange.head);
        let request = self.request.take().or_else(|| exchange.map(of_exchange))?;
        let answers = exchange.map(|exchange| exchange.asks.answers());
        SavedCall::new(&self.target, &self.arguments, request, answers)
    }
}

impl KeptRequest {
    fn new(revision: Revision, meta: String, head: &Parts) -> Self {
        Self {
            revision,
            meta,
            head: lines(head),
            principal: Principal::of(head).cloned(),
            #[cfg(feature = "auth")]
            access: Access::of(head).cloned(),
        }
    }
}

/// Writes the URI and the headers of a request as lines, without credentials and without values that
/// are not text.
fn lines(head: &Parts) -> String {
    let kept = || head.headers.iter().filter(|(name, _)| !CREDENTIALS.contains(name));
    let path = head.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    let length = kept().map(|(name, value)| name.as_str().len() + value.len() + 2).sum::<usize>();
    let mut lines = String::with_capacity(path.len() + length);
    match head.uri.authority() {
        None => lines.push_str(path),
        // The URI of a request in HTTP/2 has all parts.
        Some(_) => lines.push_str(&head.uri.to_string()),
    }
    for (name, value) in kept() {
        // Neither has a line break in it.
        if let Ok(value) = value.to_str() {
            lines.extend(["\n", name.as_str(), ":", value]);
        }
    }
    lines
}

/// What a call is made of, without a body to borrow from.
#[derive(Deserialize, Serialize)]
pub(super) struct SavedCall {
    pub(super) target: String,
    arguments: Box<RawValue>,
    meta: Box<RawValue>,
    revision: String,
    uri: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<String>,
    #[cfg(feature = "auth")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SavedToken>,
    /// Whether the task ends with the token.
    #[cfg(feature = "auth")]
    #[serde(default)]
    ends_with_token: bool,
    /// The answers of the rounds before the call was a task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    answers: BTreeMap<String, Box<RawValue>>,
    /// The state of the last of these rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Box<RawValue>>,
}

/// A call that was restarted.
pub(super) struct BegunCall {
    pub(super) call: GuardedCall<ToolOutput>,
    pub(super) exchange: Option<Arc<Exchange>>,
}

impl SavedCall {
    /// Copies what is needed of a call. `None` if a part is not what it was checked to be.
    fn new(target: &str, arguments: &str, request: KeptRequest, answers: Option<&Answers>) -> Option<Self> {
        let mut lines = request.head.split('\n');
        let uri = lines.next()?.to_owned();
        let header =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self {
            target: target.to_owned(),
            arguments: raw(arguments.as_bytes().to_vec())?,
            meta: raw(request.meta.into_bytes())?,
            revision: request.revision.as_str().to_owned(),
            uri,
            headers: lines.filter_map(header).collect(),
            principal: request.principal.map(|principal| principal.as_str().to_owned()),
            #[cfg(feature = "auth")]
            token: request.access.as_ref().map(|access| access.token().save()),
            #[cfg(feature = "auth")]
            ends_with_token: request.access.as_ref().is_some_and(Access::ends_calls),
            answers: answers.map(Answers::all).unwrap_or_default(),
            state: answers.and_then(Answers::state).map(RawValue::to_owned),
        })
    }

    /// Returns a copy of the request's head, without credentials and without the host's extensions.
    pub(super) fn head(&self) -> Parts {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = http::Method::POST;
        head.uri = self.uri.parse().unwrap_or_default();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                head.headers.append(name, value);
            }
        }
        if let Some(principal) = &self.principal {
            head.extensions.insert(Principal::new(principal.as_str()));
        }
        #[cfg(feature = "auth")]
        if let Some(token) = &self.token {
            head.extensions.insert(Access::new(token.restore()));
        }
        head.extensions.insert(AuthorizedBefore);
        head
    }

    /// Completes when the task ends with its token, if it ever does.
    #[cfg(feature = "auth")]
    pub(super) fn token_end(&self) -> Option<TokenEnd> {
        let token = self.token.as_ref().filter(|_| self.ends_with_token)?;
        Some(Access::new(token.restore()).end())
    }

    /// Restarts the call. `returned` is the state that the handler has set together with the questions that
    /// it returned before in the task.
    pub(super) fn begin(
        &self,
        registry: &dyn Registry,
        mut head: Parts,
        link: &Arc<TaskLink>,
        returned: Option<Box<RawValue>>,
        settings: &Arc<Settings>,
    ) -> Option<BegunCall> {
        let meta = Meta::from_json(self.meta.get())?;
        let revision = Revision::from_name(&self.revision)?;
        let (target, arguments) = (&*self.target, self.arguments.get());
        let mut answers = self.answers.clone();
        answers.extend(link.answers());
        let mut exchange = None;
        let call = Call {
            target,
            written: target,
            called: target,
            arguments,
            tags: Tags::default(),
            head: &mut head,
            revision,
            meta: &meta,
            log_level: None,
            settings,
            takes_stream: false,
            check: None,
            // A task is asked in the task, so its purpose is not bound to anything.
            purpose: Purpose { method: "tools/call", target, arguments: "{}" },
            answers: Answers::of_task(answers, returned.or_else(|| self.state.clone())),
            exchange: &mut exchange,
        };
        let mut call = GuardedCall::start(|| registry.call_tool(call), settings);
        call.keep_name(target);
        if let Some(exchange) = &exchange {
            exchange.asks.become_task(link);
        }
        Some(BegunCall { call, exchange })
    }
}
