//! A fixed set of tools.

use std::fmt;
use std::hash::BuildHasherDefault;
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::request::Parts;

use super::names::ByName;
use super::page::Pages;
use super::{Answer, Has, Item, ItemKind, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture, Handler, TagRule, Tags, rule_setter};
use crate::error::RegistryError;
use crate::jsonrpc::RpcError;
use crate::protocol::{CacheHint, Era, ServerCapabilities};
use crate::tool::{CompiledTool, Tool, ToolOutput};
#[cfg(feature = "schemas")]
use crate::tool::{TypedArguments, TypedOutput};

/// A fixed set of tools, checked and serialised when it is built. Clones share them.
///
/// ```
/// use mcp_stateless::ToolRegistry;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add { a: i64, b: i64 }
///
/// let tools = ToolRegistry::builder()
///     .tool("add", "Add two integers", async |Add { a, b }: Add| a + b)
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct ToolRegistry(Arc<Tools>);

struct Tools {
    by_name: ByName<CompiledTool>,
    legacy: Pages,
    modern: Pages,
    /// Whether every caller may see all tools.
    is_public: bool,
}

impl Tools {
    /// Returns a page without the tools that the caller must not see.
    fn visible(&self, page: Page, head: &Parts) -> Page {
        page.visible(ItemKind::Tools.key(), |name| {
            self.by_name.get(name).is_some_and(|tool| tool.rights.list(head))
        })
    }
}

impl ToolRegistry {
    /// Creates a builder without tools.
    pub fn builder() -> ToolRegistryBuilder {
        ToolRegistryBuilder {
            state: (),
            tools: Vec::new(),
            rule: None,
            #[cfg(feature = "jsonschema")]
            checks_schemas: false,
            page_size: None,
            cache: CacheHint::default(),
        }
    }
}

impl fmt::Debug for ToolRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.by_name.keys()).finish()
    }
}

impl Registry for ToolRegistry {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn has(&self, item: Item<'_>) -> Has {
        matches!(item, Item::Tool(name) if self.0.by_name.contains_key(name)).into()
    }

    fn tags(&self, item: Item<'_>) -> Tags {
        let Item::Tool(name) = item else { return Tags::default() };
        self.0.by_name.get(name).map(|tool| tool.rights.tags().clone()).unwrap_or_default()
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        let pages = match request.revision.era() {
            Era::Legacy => &self.0.legacy,
            Era::Modern => &self.0.modern,
        };
        let page = pages.page(request.cursor);
        Answer::ready(if self.0.is_public {
            page
        } else {
            page.map(|page| self.0.visible(page, request.head))
        })
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        match self.0.by_name.get(call.target()) {
            Some(tool) => tool.call(call),
            None => CallFuture::refused(RpcError::unknown_tool(call.target())),
        }
    }
}

/// Builds a [`ToolRegistry`]; created by [`ToolRegistry::builder`].
///
/// `S` is the state of the handlers that are added next; see [`with_state`](Self::with_state).
#[must_use]
pub struct ToolRegistryBuilder<S = ()> {
    state: S,
    tools: Vec<Tool>,
    rule: Option<TagRule>,
    #[cfg(feature = "jsonschema")]
    checks_schemas: bool,
    page_size: Option<NonZeroUsize>,
    cache: CacheHint,
}

impl<S> fmt::Debug for ToolRegistryBuilder<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ToolRegistryBuilder").field("tools", &self.tools).finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> ToolRegistryBuilder<S> {
    /// Sets the state of the handlers that are added from here on: any `Clone` value, such as an
    /// `Arc` or a connection pool. Each tool keeps a clone, and a handler that takes the state, as
    /// [`State`](crate::State) or as its `self`, gets a clone with each call. Tools that were added
    /// before keep their state.
    pub fn with_state<Other>(self, state: Other) -> ToolRegistryBuilder<Other> {
        ToolRegistryBuilder {
            state,
            tools: self.tools,
            rule: self.rule,
            #[cfg(feature = "jsonschema")]
            checks_schemas: self.checks_schemas,
            page_size: self.page_size,
            cache: self.cache,
        }
    }

    /// Adds a tool whose schemas are derived from the types that its handler takes and returns. To
    /// set more than a name and a description, see [`Tool::new`].
    #[cfg(feature = "schemas")]
    pub fn tool<M, H>(self, name: impl Into<String>, description: impl Into<String>, handler: H) -> Self
    where
        // The compiler shows these comments where a bound is not met.
        M: TypedArguments, // needs `#[derive(serde::Deserialize, schemars::JsonSchema)]`
        H: Clone,          // each call clones a closure: put an `Arc` around captures that are not `Clone`
        H: Handler<M, S, Returned: TypedOutput>, // a closure owns what it captures: `async move |…| …`
    {
        self.register(Tool::new(name, description, handler))
    }

    /// Adds a tool with a given input schema; see [`Tool::with_schema`].
    pub fn tool_with_schema<M, H: Handler<M, S>>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: impl serde::Serialize,
        handler: H,
    ) -> Self {
        self.register(Tool::with_schema(name, description, input_schema, handler))
    }

    /// Adds a tool. Lists keep the order in which tools were added.
    pub fn register(mut self, tool: Tool<S>) -> Self {
        self.tools.push(tool.with_state(self.state.clone()));
        self
    }

    /// Adds the tools of another builder. They keep their state, their checks and the rule of its
    /// [`visible_by_tags`](Self::visible_by_tags), in addition to the rule of this builder. The
    /// page size and the cache hint are those of this builder.
    pub fn merge<Other>(mut self, other: ToolRegistryBuilder<Other>) -> Self {
        let settle = |mut tool: Tool| {
            tool.rights.add_rule(other.rule.as_ref());
            #[cfg(feature = "jsonschema")]
            let tool = if other.checks_schemas { tool.check_arguments().check_output() } else { tool };
            tool
        };
        self.tools.extend(other.tools.into_iter().map(settle));
        self
    }

    /// Checks the arguments and the structured content of every tool against its schemas: see
    /// [`Tool::check_arguments`] and [`Tool::check_output`].
    #[cfg(feature = "jsonschema")]
    pub fn check_schemas(mut self) -> Self {
        self.checks_schemas = true;
        self
    }

    rule_setter!();

    /// Sets the number of tools on each page of the list. By default the list has one page, because
    /// not every client asks for a second.
    pub fn page_size(mut self, tools: NonZeroUsize) -> Self {
        self.page_size = Some(tools);
        self
    }

    /// Sets how long, and for whom, clients may cache the list. By default they may not.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Checks the tools and builds the registry.
    ///
    /// # Errors
    /// Returns an error, which names the tool, if a name is used twice or not allowed, if a schema is not an
    /// object, or if `x-mcp-header` annotations break the rules.
    pub fn build(self) -> Result<ToolRegistry, RegistryError> {
        let mut tools = Vec::with_capacity(self.tools.len());
        for mut tool in self.tools {
            tool.rights.add_rule(self.rule.as_ref());
            #[cfg(feature = "jsonschema")]
            let tool = if self.checks_schemas { tool.check_arguments().check_output() } else { tool };
            tools.push(tool.compile()?);
        }
        let pages = |definition: fn(&CompiledTool) -> &[u8]| {
            let definitions = tools.iter().map(|tool| (&*tool.name, definition(tool)));
            Pages::new(&definitions.collect::<Vec<_>>(), self.page_size, self.cache)
        };
        let legacy = pages(|tool| &tool.legacy_definition);
        let modern = pages(|tool| &tool.modern_definition);
        let is_public = tools.iter().all(|tool| tool.rights.are_public());
        let mut by_name = ByName::with_capacity_and_hasher(tools.len(), BuildHasherDefault::default());
        for tool in tools {
            if let Some(twin) = by_name.insert(Arc::clone(&tool.name), tool) {
                return Err(RegistryError::new("tool", &twin.name, "the name is taken by another tool"));
            }
        }
        Ok(ToolRegistry(Arc::new(Tools { by_name, legacy, modern, is_public })))
    }
}
