//! Another server as a registry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use mcp_stateless::call::{Call, CallFuture, InvalidOutput, Output};
use mcp_stateless::changes::Changes;
use mcp_stateless::completion::{Completion, CompletionRequest, Reference};
use mcp_stateless::prompt::PromptOutput;
use mcp_stateless::protocol::{Era, RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer, Has, Item, ListRequest, Page};
use mcp_stateless::resource::ResourceOutput;
use mcp_stateless::{Registry, ToolOutput};
use serde_json::json;
use tokio::time::sleep;

use super::call::{Method, UpstreamCall};
use super::client::Request;
use super::error::UpstreamError;
use super::failure::{Failure, shown};
use super::info::{UpstreamInfo, UpstreamStats};
use super::kind::ListKind;
use super::listing::failed;
use super::message::Params;
use super::pool::Pool;
use super::settings::{Key, Settings};
use super::transport::Connections;
use super::watches::{Listeners, Watcher};

/// How long a caller waits for a fresh list if an older one is known.
const PROMPT: Duration = Duration::from_millis(800);

/// Another MCP server, whose tools, prompts and resources are served here. Clones share it.
///
/// It may speak any revision, with sessions or without. Its lists and results are passed on
/// unchanged. Sessions are opened on demand, one for each caller, and closed when they are unused,
/// by [`shut_down`](Self::shut_down), or with the last clone. Requires a Tokio runtime.
///
/// ```no_run
/// use mcp_stateless::Catalog;
/// use mcp_stateless_upstream::Upstream;
///
/// let files = Upstream::stdio("npx").args(["-y", "files-server", "."]).name("files").build()?;
/// let issues = Upstream::http("https://example.com/mcp").header("X-Api-Key", "secret").build()?;
/// let catalog = Catalog::builder().add_prefixed("files", files).add_prefixed("issues", issues).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Upstream(Arc<Handle>);

/// Ends the pool with the last clone, even if its tasks are still running.
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

    /// Opens the session for callers without a key, unless it is open, and returns what the
    /// upstream says about itself.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened. A list that it fails to return is empty, and one of the
    /// [`failed_lists`](UpstreamInfo::failed_lists).
    pub async fn probe(&self) -> Result<UpstreamInfo, UpstreamError> {
        let (pool, key, headers) = (self.pool(), None, HeaderMap::new());
        let mut names = Vec::with_capacity(ListKind::ALL.len());
        let mut failed_lists = Vec::new();
        for kind in ListKind::ALL {
            match pool.fetch(kind, &key, None, &headers).await {
                Ok(list) => names.push(list.names()),
                Err(UpstreamError::Refused { error, .. }) => {
                    names.push(Vec::new());
                    failed_lists.push(format!("{}: {}", kind.method(), shown(error.message())));
                }
                Err(error) => return Err(error),
            }
        }
        let lease = pool.lease(&key, None, &headers).await?;
        let about = &lease.0.about;
        let mut names = names.into_iter();
        let mut next = || names.next().unwrap_or_default();
        Ok(UpstreamInfo {
            name: about.name.clone(),
            version: about.version.clone(),
            title: about.title.clone(),
            description: about.description.clone(),
            website_url: about.website_url.clone(),
            icons: about.icons.clone(),
            revision: about.revision.clone(),
            capabilities: about.capabilities.clone(),
            instructions: about.instructions.clone(),
            tools: next(),
            prompts: next(),
            resources: next(),
            resource_templates: next(),
            failed_lists,
        })
    }

    /// Closes all sessions and ends all children, and waits until they have ended. Calls in flight
    /// and later calls fail.
    pub async fn shut_down(&self) {
        self.pool().shut_down().await;
    }

    /// Returns counters, for tests and metrics.
    pub fn stats(&self) -> UpstreamStats {
        self.pool().stats()
    }

    fn call<T: Output>(
        &self,
        call: Call<'_>,
        method: Method,
        output: fn(String) -> Result<T, InvalidOutput>,
    ) -> CallFuture<T> {
        let (key, headers) = self.pool().settings.caller(call.head());
        // The upstream may know the resource only by the spelling in its list.
        let (target, arguments) = (call.as_written().to_owned(), call.arguments().to_owned());
        let (pool, handle) = (Arc::clone(self.pool()), self.clone());
        let limit = pool.settings.call_timeout;
        let cx = call.into_context();
        let call = UpstreamCall { pool, key, headers, method, target, arguments, cx };
        let future = CallFuture::new(async move {
            let result = call.run().await;
            let output = result.and_then(|text| Ok(output(text).map_err(|fault| handle.unreadable(&fault))?));
            drop(handle);
            output
        });
        match limit {
            Some(limit) => future.time_limit(Some(limit)),
            None => future,
        }
    }

    /// Returns the error for a result that is not valid.
    fn unreadable(&self, fault: &InvalidOutput) -> RpcError {
        let failure = Failure::failed(format!("its result cannot be read: {fault}"));
        failed(&failure, &self.pool().settings.name)
    }

    /// Returns the fresh list if it arrives soon, otherwise the last that this caller received,
    /// otherwise waits.
    fn list(&self, request: ListRequest<'_>, kind: ListKind) -> Answer<'_, Page> {
        if request.cursor.is_some() {
            return Answer::ready(Err(RpcError::unknown_cursor()));
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
        Completion::from_json(text).map_err(|fault| {
            self.refused(&Failure::failed(format!("its completion cannot be read: {fault}")))
        })
    }
}

impl Registry for Upstream {
    fn capabilities(&self) -> ServerCapabilities {
        // Until something is known, it may have anything.
        self.pool().capabilities().unwrap_or_else(|| {
            ServerCapabilities::TOOLS
                .with(ServerCapabilities::PROMPTS)
                .with(ServerCapabilities::RESOURCES)
                .with(ServerCapabilities::COMPLETIONS)
        })
    }

    /// Checks the lists that are known.
    fn has(&self, item: Item<'_>) -> Has {
        let has = |kind, name| self.pool().has(kind, name).map_or(Has::Maybe, Has::from);
        match item {
            Item::Tool(name) => has(ListKind::Tools, name),
            Item::Prompt(name) => has(ListKind::Prompts, name),
            Item::ResourceTemplate(template) => has(ListKind::Templates, template),
            // One list without the item says nothing about the other.
            Item::Resource(uri) => has(ListKind::Resources, uri).max(has(ListKind::Templates, uri)),
            // The item is not known here.
            _ => Has::Maybe,
        }
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ListKind::Tools)
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        if self.pool().leaves_out(call.target()) {
            return CallFuture::refused(RpcError::unknown_tool(call.target()));
        }
        self.call(call, Method::CallTool, ToolOutput::from_json)
    }

    fn list_prompts(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ListKind::Prompts)
    }

    fn get_prompt(&self, call: Call<'_>) -> CallFuture<PromptOutput> {
        self.call(call, Method::GetPrompt, PromptOutput::from_json)
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ListKind::Resources)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.list(request, ListKind::Templates)
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        self.call(call, Method::ReadResource, ResourceOutput::from_json)
    }

    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let reference = match request.reference {
            Reference::Prompt(name) => json!({"type": "ref/prompt", "name": name}),
            Reference::Resource(uri) => json!({"type": "ref/resource", "uri": uri}),
            _ => return Answer::ready(Ok(Completion::default())),
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

    /// Returns `true`, and asks the upstream for updates of the resource.
    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        let pool = self.pool();
        let (key, headers) = pool.settings.caller(head);
        // Only clients of the modern era listen.
        pool.watch(&key, uri, Watcher { era: Era::Modern, headers })
    }
}
