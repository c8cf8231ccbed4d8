//! Calls that an upstream serves.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use mcp_stateless::ask::{AskError, InputRequired, Question};
use mcp_stateless::call::CallError;
use mcp_stateless::observe::TraceContext;
use mcp_stateless::protocol::{Era, ErrorCode, RpcError};
use mcp_stateless::{CallContext, ToolError};
use serde_json::json;

use super::client::{Request, Trace};
use super::failure::{Failure, unavailable};
use super::inbox::{Event, Next};
use super::kind::ListKind;
use super::listing::failed;
use super::message::{LogMessage, Members, Params, Progress, each_member};
use super::meta;
use super::parked::Parked;
use super::pool::Pool;
use super::question::Ask;
use super::rounds::{Carried, Required, Round};
use super::session::{Lease, PendingCall, Session};
use super::settings::Key;

/// The methods whose handlers get a [`CallContext`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    CallTool,
    GetPrompt,
    ReadResource,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::CallTool => "tools/call",
            Self::GetPrompt => "prompts/get",
            Self::ReadResource => "resources/read",
        }
    }

    /// Returns the list that has the names of the targets.
    fn list(self) -> ListKind {
        match self {
            Self::CallTool => ListKind::Tools,
            Self::GetPrompt => ListKind::Prompts,
            Self::ReadResource => ListKind::Resources,
        }
    }

    /// Returns the parameter that names the target.
    fn named_by(self) -> &'static str {
        match self {
            Self::CallTool | Self::GetPrompt => "name",
            Self::ReadResource => "uri",
        }
    }
}

/// A call to be sent to an upstream.
pub(super) struct UpstreamCall {
    pub(super) pool: Arc<Pool>,
    pub(super) key: Key,
    pub(super) headers: HeaderMap,
    pub(super) method: Method,
    pub(super) target: String,
    /// The JSON text of an object.
    pub(super) arguments: String,
    pub(super) cx: CallContext,
}

impl UpstreamCall {
    /// Makes the call and returns the text of the result.
    pub(super) async fn run(self) -> Result<String, ToolError> {
        let mut asked = 0;
        let mut round = Round::default();
        let mut pending = None;
        match self.cx.state::<Carried>() {
            Some(Carried::Parked { id, question }) => {
                asked = question;
                pending = Some(self.resume(&id, question)?);
            }
            Some(Carried::Round { state, round: number }) => {
                round = Round { number, answers: self.cx.answers(), state };
            }
            None => {}
        }
        loop {
            let current = match pending.take() {
                Some(pending) => pending,
                None => self.begin(&round).await?,
            };
            let session = Arc::clone(current.session());
            let outcome = match self.drive(current, &mut asked).await? {
                Err(Failure::Forgotten) => {
                    // The upstream has not started the call: repeat it once, in another session.
                    self.pool.forgotten(&self.key, &session);
                    let again = self.begin(&round).await?;
                    self.drive(again, &mut asked).await?
                }
                outcome => outcome,
            };
            let text = outcome.map_err(|failure| self.failed(&failure))?;
            let upstream = &self.pool.settings.name;
            match Required::read(&text, upstream)? {
                None => return Ok(text),
                Some(required) => round = required.ask(&self.cx, round.number + 1, upstream).await?,
            }
        }
    }

    /// Returns the error for the client.
    fn failed(&self, failure: &Failure) -> RpcError {
        let error = failed(failure, &self.pool.settings.name);
        // The errors of servers for a missing resource.
        let is_unknown = error.code() == ErrorCode::RESOURCE_NOT_FOUND
            || (error.code() == ErrorCode::INTERNAL_ERROR && error.message().starts_with("Unknown resource"));
        if self.method == Method::ReadResource && is_unknown {
            // The code and the data that clients of each era know, and the server's own message.
            let known = RpcError::new(ErrorCode::RESOURCE_NOT_FOUND, error.message().to_owned());
            return known.with_data(json!({"uri": self.target}));
        }
        error
    }

    /// Sends the request.
    async fn begin(&self, round: &Round) -> Result<PendingCall, RpcError> {
        let wanted = Some(self.cx.revision().era());
        let lease = self.pool.lease(&self.key, wanted, &self.headers).await.map_err(|error| error.told())?;
        // Includes room for the members around the arguments.
        let mut params = Params::with_capacity(self.arguments.len() + self.target.len() + 256);
        params = params.with(self.method.named_by(), &self.target);
        if let Some(state) = &round.state {
            params = params.with("requestState", state);
        }
        if self.method != Method::ReadResource {
            params = params.raw("arguments", &self.arguments);
        }
        if !round.answers.is_empty() {
            params = params.with("inputResponses", &round.answers);
        }
        let mut request = Request::new(self.method.name(), params).of(&self.headers);
        self.put_meta(&mut request, lease.0.about.era);
        request.name = Some(self.target.clone());
        request.mirrored = self.mirrored(&lease).await;
        request.is_call = true;
        Ok(lease.send(request).await)
    }

    /// Returns the headers that repeat arguments, if the upstream requires any.
    async fn mirrored(&self, lease: &Lease) -> Vec<(http::HeaderName, http::HeaderValue)> {
        let target = &self.pool.settings.target;
        let wants = self.method == Method::CallTool && lease.0.about.era == Era::Modern && target.is_http();
        if !wants {
            return Vec::new();
        }
        let lists = self.pool.lists(&self.key, Era::Modern);
        let mut tools = lists.known(ListKind::Tools);
        if tools.is_none() {
            let (key, wanted, headers) = (self.key.clone(), Some(Era::Modern), self.headers.clone());
            let mut refreshed = self.pool.refreshed(&lists, ListKind::Tools, key, wanted, headers);
            let outcome = refreshed.wait_for(Option::is_some).await;
            tools = outcome.ok().and_then(|it| it.clone()?.ok());
        }
        let tools = tools.as_deref();
        let mirrored = tools.and_then(|tools| tools.mirrored.get(&self.target));
        mirrored.map(|mirrored| mirrored.headers(&self.arguments)).unwrap_or_default()
    }

    /// Copies the client's `_meta` without the members that concern only the client and this server.
    fn put_meta(&self, request: &mut Request, upstream: Era) {
        let is_modern_client = self.cx.revision().era() == Era::Modern;
        // Capabilities and log levels can only be passed on between two modern peers.
        let passes_on = is_modern_client && upstream == Era::Modern;
        let own = self.cx.meta_json();
        let (mut members, mut trace) = (Members::default(), Members::default());
        // Most clients of the legacy era send no `_meta`.
        if own != "{}" {
            each_member(own, |name, value| match name {
                meta::CLIENT_CAPABILITIES if passes_on => request.capabilities = Some(value.to_owned()),
                meta::LOG_LEVEL if passes_on => members.push_raw(name, value.get()),
                meta::PROGRESS_TOKEN => {}
                other if other.starts_with(meta::PREFIX) => {}
                other if TraceContext::KEYS.contains(&other) => trace.push_raw(other, value.get()),
                other => members.push_raw(other, value.get()),
            });
        }
        if upstream == Era::Modern
            && !is_modern_client
            && let Some(level) = self.cx.log_level()
        {
            members.push(meta::LOG_LEVEL, level);
        }
        request.meta = members;
        let is_known = self.pool.settings.observer.is_some()
            && self.pool.has(self.method.list(), &self.target) == Some(true);
        request.trace = Some(Trace { cx: self.cx.clone(), own: trace, is_known });
    }

    /// Relays what the upstream sends until the outcome arrives, or until the reply has to ask the
    /// client a question.
    async fn drive(
        &self,
        mut pending: PendingCall,
        asked: &mut u32,
    ) -> Result<Result<String, Failure>, ToolError> {
        let session = Arc::clone(pending.session());
        // Dropped with the outcome: open questions do not delay a result. `None` for most calls.
        let mut questions = None;
        loop {
            let next = tokio::select! {
                next = pending.next() => next,
                Some(()) = next_of(&mut questions) => continue,
            };
            let mut ask = match next {
                Next::Outcome(outcome) => return Ok(outcome),
                Next::Event(Event::Progress(Progress { value, total, message })) => {
                    self.cx.progress(value, total, &message).await;
                    continue;
                }
                Next::Event(Event::Log(LogMessage { level, logger, data })) => {
                    self.cx.log_as(&logger, level, &*data).await;
                    continue;
                }
                Next::Event(Event::Ask(ask)) => ask,
            };
            let Some(question) = Question::relay(&ask.method, std::mem::take(&mut ask.params)) else {
                ask.answer(&Err(RpcError::new(ErrorCode::METHOD_NOT_FOUND, "Method not found")));
                continue;
            };
            *asked += 1;
            if self.cx.revision().era() == Era::Legacy {
                let questions = questions.get_or_insert_with(FuturesUnordered::new);
                questions.push(self.relay(question, ask, &session));
            } else if !pending.is_answered() {
                // If `require` fails, dropping `ask` answers the upstream.
                self.cx.require(question.needs())?;
                return Err(self.park(pending, question, ask, *asked).into());
            }
        }
    }

    /// Asks a client of the legacy era, unless the upstream withdraws the question.
    async fn relay(&self, question: Question, mut ask: Ask, session: &Session) {
        let answer = tokio::select! {
            answer = self.cx.ask_json("", question) => Some(answer.map_err(unanswered)),
            () = ask.withdrawn() => None,
            () = session.client.connection.closed() => None,
        };
        if let Some(answer) = answer {
            ask.answer(&answer);
        }
    }

    /// Parks a call until the client answers in the next round.
    fn park(&self, mut pending: PendingCall, question: Question, ask: Ask, number: u32) -> CallError {
        // Keep reading: the upstream may withdraw its question.
        pending.detach();
        let (key, asked) = (self.key.clone(), question.clone());
        match self.pool.parked.park(Parked { key, pending, question, ask }) {
            Some(id) => required_by(id, asked, number).into(),
            None => unavailable(&self.pool.settings.name, "has too many calls that are waiting for answers")
                .into(),
        }
    }

    /// Resumes a parked call.
    fn resume(&self, id: &str, number: u32) -> Result<PendingCall, CallError> {
        let parked = self.pool.parked.take(id, &self.key);
        let parked = parked.filter(|parked| !parked.pending.session().is_over());
        let gone = || RpcError::invalid_params("The call that asked this question is over: call again");
        let parked = parked.ok_or_else(gone)?;
        if let Some(answer) = self.cx.answers().remove(&question_key(number)) {
            parked.ask.answer(&Ok(answer));
            return Ok(parked.pending);
        }
        // The client has not answered: ask again.
        let question = parked.question.clone();
        let id = self.pool.parked.park(parked);
        let full =
            || unavailable(&self.pool.settings.name, "has too many calls that are waiting for answers");
        Err(required_by(id.ok_or_else(full)?, question, number).into())
    }
}

/// Waits for the next of these to complete. Returns `None` if there are none.
async fn next_of<F: Future>(futures: &mut Option<FuturesUnordered<F>>) -> Option<F::Output> {
    futures.as_mut()?.next().await
}

/// Returns the key of a question.
fn question_key(number: u32) -> String {
    format!("upstream-{number}")
}

fn required_by(id: String, question: Question, number: u32) -> InputRequired {
    let state = Carried::Parked { id, question: number }.to_json();
    InputRequired::new().ask(question_key(number), question).state(state)
}

/// Returns the error for an upstream whose question has no answer.
fn unanswered(error: AskError) -> RpcError {
    match error {
        AskError::Rpc(error) | AskError::Refused(error) => error,
        other => RpcError::new(ErrorCode::INTERNAL_ERROR, other.to_string()),
    }
}
