//! The saved call of a task, which another replica can restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::request::Parts;
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

/// The parts of a call, which borrow nothing from its body.
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
    /// Copies the needed parts of a request. Returns `None` if a part cannot be parsed.
    pub(super) fn new(
        target: &str,
        arguments: &str,
        meta: &Meta<'_>,
        revision: Revision,
        head: &Parts,
    ) -> Option<Self> {
        let kept = head.headers.iter().filter(|(name, _)| !CREDENTIALS.contains(name));
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        Some(Self {
            target: target.to_owned(),
            arguments: raw(arguments.as_bytes().to_vec())?,
            meta: raw(meta.to_json().into_bytes())?,
            revision: revision.as_str().to_owned(),
            uri: head.uri.to_string(),
            headers: kept.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect(),
            principal: Principal::of(head).map(|principal| principal.as_str().to_owned()),
            #[cfg(feature = "auth")]
            token: Access::of(head).map(|access| access.token().save()),
            #[cfg(feature = "auth")]
            ends_with_token: Access::of(head).is_some_and(Access::ends_calls),
            answers: BTreeMap::new(),
            state: None,
        })
    }

    /// Adds the answers of the rounds before.
    pub(super) fn add_answers(&mut self, answers: &Answers) {
        self.answers = answers.all();
        self.state = answers.state().map(RawValue::to_owned);
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
