//! Another server as a registry.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use serde_json::json;
use tokio::time::sleep;

use super::call::{Method, UpstreamCall};
use super::client::Request;
use super::error::UpstreamError;
use super::failure::Failure;
use super::info::{UpstreamInfo, UpstreamStats};
use super::message::Params;
use super::pool::Pool;
use super::settings::{Key, Settings};
use super::transport::Connections;
use super::watches::{Listeners, Watcher};
use crate::call::{Call, CallFuture, Output};
use crate::changes::Changes;
use crate::completion::{Completion, CompletionRequest, Reference};
use crate::jsonrpc::Raw;
use crate::prompt::PromptOutput;
use crate::protocol::{Era, Offer, RpcError, ServerCapabilities};
use crate::registry::{Answer, Has, Item, ListRequest, Page};
use crate::registry::{ItemKind, foreign_cursor};
use crate::resource::ResourceOutput;
use crate::{Registry, ToolError, ToolOutput};

/// How long a caller waits for a fresh list when an older one is known.
const PROMPT: Duration = Duration::from_millis(800);

/// Another MCP server, whose tools, prompts and resources are served here. Clones are the
/// same one.
///
/// It may speak any revision, with sessions or without; what it lists and answers is passed
/// on as it is. Sessions are opened when they are needed, one for each caller, and closed
/// when they were not used for long, by [`shut_down`](Self::shut_down), or with the last
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
pub struct Upstream(Arc<Handle>);

/// Ends the pool with the last clone, whatever its tasks still do.
struct Handle(Arc<Pool>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("name", &self.pool().settings.name).finish_non_exhaustive()
    }
}

impl Upstream {
    pub(super) fn new(settings: Settings, connections: Option<Connections>) -> Self {
        Self(Arc::new(Handle(Pool::new(settings, connections, Listeners::default()))))
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.0.0
    }

    /// Opens the session of those callers that have no key, if it is not open, and tells
    /// what the upstream tells of itself.
    ///
    /// # Errors
    /// When it cannot be opened, or does not list what it has.
    pub async fn probe(&self) -> Result<UpstreamInfo, UpstreamError> {
        let (pool, key, headers) = (self.pool(), None, HeaderMap::new());
        let mut names = Vec::with_capacity(ItemKind::ALL.len());
        for kind in ItemKind::ALL {
            let list = pool.fetch(kind, &key, None, &headers).await?;
            let mut of_kind = Vec::new();
            list.page.each(|definition| {
                of_kind.extend(definition.string_member(kind.key()).map(Cow::into_owned));
            });
            names.push(of_kind);
        }
        let lease = pool.lease(&key, None, &headers).await?;
        let about = &lease.0.about;
        let mut names = names.into_iter();
        let mut next = || names.next().unwrap_or_default();
        Ok(UpstreamInfo {
            name: about.name.clone(),
            version: about.version.clone(),
            revision: about.revision.clone(),
            capabilities: about.capabilities.clone(),
            instructions: about.instructions.clone(),
            tools: next(),
            prompts: next(),
            resources: next(),
            resource_templates: next(),
        })
    }

    /// Closes all sessions and ends all children, and waits until they have ended. Calls
    /// under way and later ones fail.
    pub async fn shut_down(&self) {
        self.pool().shut_down().await;
    }

    /// Numbers, for tests and metrics.
    pub fn stats(&self) -> UpstreamStats {
        self.pool().stats()
    }

    fn call<T: Output>(&self, call: Call<'_>, method: Method, output: fn(String) -> T) -> CallFuture<T> {
        let (key, headers) = self.pool().settings.caller(call.head());
        // The upstream may know its resource by no other spelling than that of its list.
        let (target, arguments) = (call.as_written().to_owned(), call.arguments().to_owned());
        let (pool, handle) = (Arc::clone(self.pool()), self.clone());
        let limit = pool.settings.call_timeout;
        let cx = call.into_context();
        let call = UpstreamCall { pool, key, headers, method, target, arguments, cx };
        let future = CallFuture::new(async move {
            let result = call.run().await;
            drop(handle);
            Ok::<T, ToolError>(output(result?))
        });
        match limit {
            Some(limit) => future.time_limit(Some(limit)),
            None => future,
        }
    }

    /// The fresh list when it comes soon, else the last that this caller was told, else
    /// whatever comes.
    fn list(&self, request: ListRequest<'_>, kind: ItemKind) -> Answer<'_, Page> {
        if request.cursor.is_some() {
            return Answer::ready(Err(foreign_cursor()));
        }
        let pool = self.pool();
        let (key, headers) = pool.settings.caller(request.head);
        let wanted = Some(request.revision.era());
        let lists = pool.lists(&key, pool.era(wanted));
        Answer::later(async move {
            if let Some(list) = lists.fresh(kind) {
                return Ok(list.page.clone());
            }
            let mut refreshed = pool.refreshed(&lists, kind, key, wanted, headers);
            let outcome = tokio::select! {
                outcome = refreshed.wait_for(Option::is_some) => outcome.ok().and_then(|it| it.clone()),
                () = sleep(PROMPT), if lists.latest(kind).is_some() => None,
            };
            let list = match outcome {
                Some(Ok(list)) => list,
                Some(Err(error)) => lists.late(kind).ok_or_else(|| error.told())?,
                None => lists.late(kind).ok_or_else(RpcError::internal)?,
            };
            Ok(list.page.clone())
        })
    }
}

impl Pool {
    async fn complete(
        self: &Arc<Self>,
        params: Params,
        key: &Key,
        wanted: Option<Era>,
        headers: &HeaderMap,
    ) -> Result<Completion, UpstreamError> {
        let text = self.request(key, wanted, headers, |lease| {
            let request = Request::new("completion/complete", params.clone()).of(headers);
            async move {
                if !lease.0.about.capabilities["completions"].is_object() {
                    return Ok(None);
                }
                lease.request(request).await.map(Some)
            }
        });
        let Some(text) = text.await? else { return Ok(Completion::default()) };
        match Raw::read(&text) {
            Some(result) if result.is_object() => Ok(Completion::from_raw(text)),
            _ => Err(self.refused(&Failure::failed("its completion cannot be read"))),
        }
    }
}

impl Registry for Upstream {
    fn capabilities(&self) -> ServerCapabilities {
        // Before anything is known, all is hoped for.
        self.pool().capabilities().unwrap_or(ServerCapabilities {
            tools: Offer::Fixed,
            prompts: Offer::Fixed,
            resources: Offer::Fixed,
            completions: true,
            resource_updates: false,
        })
    }

    /// What the lists say that are known.
    fn has(&self, item: Item<'_>) -> Has {
        let has = |kind, name| self.pool().has(kind, name).map_or(Has::Maybe, Has::from);
        match item {
            Item::Tool(name) => has(ItemKind::Tools, name),
            Item::Prompt(name) => has(ItemKind::Prompts, name),
            Item::ResourceTemplate(template) => has(ItemKind::Templates, template),
            // A list that is known not to have it says nothing of the other.
            Item::Resource(uri) => has(ItemKind::Resources, uri).max(has(ItemKind::Templates, uri)),
        }
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Tools)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        self.call(call, Method::CallTool, ToolOutput::from_raw)
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Prompts)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        self.call(call, Method::GetPrompt, PromptOutput::from_raw)
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Resources)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ItemKind::Templates)
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
        let mut params = Params::new().with("ref", reference).with("argument", argument);
        if !request.completing.context.is_empty() {
            params = params.with("context", json!({"arguments": request.completing.context}));
        }
        let (key, headers) = self.pool().settings.caller(request.head);
        let wanted = Some(request.revision.era());
        Answer::later(async move {
            let completion = self.pool().complete(params, &key, wanted, &headers).await;
            completion.map_err(|error| error.told())
        })
    }

    fn changes(&self) -> Changes {
        self.pool().changes.clone()
    }

    /// Yes, and the upstream is asked to tell of it.
    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        let pool = self.pool();
        let (key, headers) = pool.settings.caller(head);
        // Only clients of the modern era listen.
        pool.watch(&key, uri, Watcher { era: Era::Modern, headers })
    }
}
