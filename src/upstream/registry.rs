//! Another server as a registry.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::builder::Settings;
use super::call::{Method, UpstreamCall, failed};
use super::child::Program;
use super::http::connections;
use super::lists::{List, Lists};
use super::pending::{Failure, Lease};
use super::pool::{Key, Pool};
use super::target::{Target, session_key};
use super::{UpstreamBuilder, UpstreamError, UpstreamInfo, UpstreamStats};
use crate::call::{Call, CallFuture, Output, ToolError};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest, Reference};
use crate::error::ConfigError;
use crate::prompt::PromptOutput;
use crate::protocol::{Offer, ServerCapabilities};
use crate::registry::{Answer, Has, Item, Kind, ListRequest, Page, Registry, foreign_cursor};
use crate::resource::ResourceOutput;
use crate::rpc::{Raw, RpcError};
use crate::tool::ToolOutput;

/// How long an upstream may take to list what it has, unless its calls have a limit.
const LIST_LIMIT: Duration = Duration::from_secs(60);

/// Another MCP server, whose tools, prompts and resources are served here. Clones are the
/// same one.
///
/// It may speak any revision, with sessions or without; what it lists and answers is passed
/// on as it is. Sessions are opened when they are needed, one for each caller, and closed
/// when nobody has used them for long, by [`shut_down`](Self::shut_down), or with the last
/// clone. Needs a Tokio runtime.
///
/// ```no_run
/// use mcp_stateless::{Catalog, Upstream};
///
/// let files = Upstream::stdio("npx").args(["-y", "files-server", "."]).name("files").build()?;
/// let issues = Upstream::http("https://example.com/mcp").header("X-Api-Key", "secret").build()?;
/// let catalog = Catalog::builder().add_prefixed("files", files).add_prefixed("issues", issues).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Upstream(Arc<Pool>);

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("name", &self.0.settings.name).finish_non_exhaustive()
    }
}

impl Upstream {
    /// A server that is a program, started for each caller, and spoken with over its
    /// standard input and output.
    pub fn stdio(command: impl Into<OsString>) -> UpstreamBuilder {
        let (command, args, env) = (command.into(), Vec::new(), Vec::new());
        UpstreamBuilder::new(Target::Stdio(Program { command, args, env, dir: None }))
    }

    /// A server at a URL, spoken with over Streamable HTTP.
    pub fn http(url: impl Into<String>) -> UpstreamBuilder {
        let (headers, forwarded) = Default::default();
        UpstreamBuilder::new(Target::Http { url: url.into().into(), headers, forwarded })
    }

    pub(super) fn new(settings: Settings) -> Result<Self, ConfigError> {
        let connections = match &settings.target {
            Target::Http { url, .. } => {
                let made = connections(url);
                Some(made.map_err(|error| ConfigError::upstream(&settings.name, &error.to_string()))?)
            }
            Target::Stdio(_) => None,
        };
        Ok(Self(Pool::new(settings, connections)))
    }

    /// Opens the session of those callers that have no key, if it is not open, and tells
    /// what the upstream tells of itself.
    ///
    /// # Errors
    /// When it cannot be opened, or does not list what it has.
    pub async fn probe(&self) -> Result<UpstreamInfo, UpstreamError> {
        let (key, headers) = (None, HeaderMap::new());
        let mut names = Vec::with_capacity(Kind::ALL.len());
        for kind in Kind::ALL {
            let list = self.0.list(kind, &key, &headers).await?;
            let mut of_kind = Vec::new();
            list.page.each(|definition| {
                of_kind.extend(definition.string_member(kind.key()).map(Cow::into_owned));
            });
            names.push(of_kind);
        }
        let lease = self.0.lease(&key, &headers).await?;
        let about = &lease.0.about;
        let software = about.peer.server_info.as_ref();
        let mut names = names.into_iter();
        let mut next = || names.next().unwrap_or_default();
        Ok(UpstreamInfo {
            name: software.map(|it| it.name.clone()).unwrap_or_default(),
            version: software.map(|it| it.version.clone()).unwrap_or_default(),
            revision: about.peer.protocol_version.to_string(),
            capabilities: about.capabilities.clone(),
            instructions: about.peer.instructions.clone(),
            tools: next(),
            prompts: next(),
            resources: next(),
            resource_templates: next(),
        })
    }

    /// Closes all sessions and ends all children, and waits until they have ended. Calls
    /// under way and later ones fail.
    pub async fn shut_down(&self) {
        self.0.shut_down().await;
    }

    /// Numbers, for tests and metrics.
    pub fn stats(&self) -> UpstreamStats {
        self.0.stats()
    }

    fn caller(&self, head: &Parts) -> (Key, HeaderMap) {
        let headers = self.0.settings.target.forwarded(head);
        (session_key((self.0.settings.credential)(head), &headers), headers)
    }

    fn call<T: Output>(&self, call: Call<'_>, method: Method, output: fn(String) -> T) -> CallFuture<T> {
        let (key, headers) = self.caller(call.head());
        // The upstream may know its resource by no other spelling than that of its list.
        let (target, arguments) = (call.as_written().to_owned(), call.arguments().to_owned());
        let pool = Arc::clone(&self.0);
        let limit = pool.settings.call_timeout;
        let cx = call.into_context();
        let call = UpstreamCall { pool, key, headers, method, target, arguments, cx };
        let future = CallFuture::new(async move { Ok::<T, ToolError>(output(call.run().await?)) });
        match limit {
            Some(limit) => future.time_limit(Some(limit)),
            None => future,
        }
    }

    fn list(&self, request: ListRequest<'_>, kind: Kind) -> Answer<'_, Page> {
        if request.cursor.is_some() {
            return Answer::ready(Err(foreign_cursor()));
        }
        let (key, headers) = self.caller(request.head);
        Answer::later(async move {
            let list = self.0.list(kind, &key, &headers).await;
            list.map(|list| list.page.clone()).map_err(|error| error.to_rpc())
        })
    }
}

impl Pool {
    /// A list as one caller sees it.
    async fn list(
        self: &Arc<Self>,
        kind: Kind,
        key: &Key,
        headers: &HeaderMap,
    ) -> Result<Arc<List>, UpstreamError> {
        let limit = self.settings.call_timeout.unwrap_or(LIST_LIMIT);
        let list = self.request(key, headers, |lease| async move {
            Lists::list(&lease, &self.settings.target, kind, headers).await
        });
        let list = match timeout(limit, list).await {
            Ok(list) => list?,
            Err(_) => return Err(self.refused(Failure::Failed(format!("it lists nothing within {limit:?}")))),
        };
        self.remember(kind, &list);
        Ok(list)
    }

    /// Makes a request in the session of a caller, and once more in another session when the
    /// upstream has forgotten it.
    async fn request<T, F>(
        self: &Arc<Self>,
        key: &Key,
        headers: &HeaderMap,
        request: impl Fn(Lease) -> F,
    ) -> Result<T, UpstreamError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let lease = self.lease(key, headers).await?;
        let session = Arc::clone(&lease.0);
        let outcome = match request(lease).await {
            Err(Failure::Forgotten) => {
                self.forgotten(key, &session);
                // The next one may need its place.
                drop(session);
                request(self.lease(key, headers).await?).await
            }
            outcome => outcome,
        };
        outcome.map_err(|failure| self.refused(failure))
    }

    fn refused(&self, failure: Failure) -> UpstreamError {
        let upstream = self.settings.name.to_string();
        UpstreamError::Refused { error: failed(failure, &upstream), upstream }
    }

    async fn complete(
        self: &Arc<Self>,
        params: Map<String, Value>,
        key: &Key,
        headers: &HeaderMap,
    ) -> Result<Completion, UpstreamError> {
        let text = self.request(key, headers, |lease| {
            let params = params.clone();
            async move {
                if !lease.0.about.capabilities["completions"].is_object() {
                    return Ok(None);
                }
                lease.request("completion/complete", params, headers).await.map(Some)
            }
        });
        let Some(text) = text.await? else { return Ok(Completion::default()) };
        match Raw::read(&text) {
            Some(result) if result.is_object() => Ok(Completion::from_raw(text)),
            _ => Err(self.refused(Failure::Failed("its completion cannot be read".to_owned()))),
        }
    }
}

impl Registry for Upstream {
    fn capabilities(&self) -> ServerCapabilities {
        // Before anything is known, all is hoped for.
        self.0.capabilities().unwrap_or(ServerCapabilities {
            tools: Offer::Fixed,
            prompts: Offer::Fixed,
            resources: Offer::Fixed,
            completions: true,
            resource_updates: false,
        })
    }

    /// What the lists say that are known.
    fn has(&self, item: Item<'_>) -> Has {
        let has = |kind, name| self.0.has(kind, name).map_or(Has::Maybe, Has::from);
        match item {
            Item::Tool(name) => has(Kind::Tools, name),
            Item::Prompt(name) => has(Kind::Prompts, name),
            Item::ResourceTemplate(template) => has(Kind::Templates, template),
            // A list that is known not to have it says nothing of the other.
            Item::Resource(uri) => has(Kind::Resources, uri).max(has(Kind::Templates, uri)),
        }
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Tools)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        self.call(call, Method::CallTool, ToolOutput::from_raw)
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Prompts)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        self.call(call, Method::GetPrompt, PromptOutput::from_raw)
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Resources)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, Kind::Templates)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        self.call(call, Method::ReadResource, ResourceOutput::from_raw)
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let reference = match request.reference {
            Reference::Prompt(name) => json!({"type": "ref/prompt", "name": name}),
            Reference::Resource(uri) => json!({"type": "ref/resource", "uri": uri}),
        };
        let argument = json!({"name": request.argument, "value": request.completing.value});
        let mut params = Map::from_iter([("ref".to_owned(), reference), ("argument".to_owned(), argument)]);
        if !request.completing.context.is_empty() {
            let context = json!({"arguments": request.completing.context});
            params.insert("context".to_owned(), context);
        }
        let (key, headers) = self.caller(request.head);
        Answer::later(async move {
            let completion = self.0.complete(params, &key, &headers).await;
            completion.map_err(|error| -> RpcError { error.to_rpc() })
        })
    }

    fn changes(&self) -> Changes {
        self.0.changes.clone()
    }
}
