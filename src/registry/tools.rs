//! A fixed set of tools.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Answer, ListTools, Registry, ToolPage};
use crate::error::RegistryError;
use crate::protocol::{CacheHint, Era};
use crate::rpc::RpcError;
use crate::tool::{CompiledTool, Handler, Tool, ToolCall, ToolFuture};

/// Tools, checked and serialised once, when it is built. Clones share them.
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
    by_name: HashMap<Arc<str>, CompiledTool>,
    legacy: Pages,
    modern: Pages,
}

impl ToolRegistry {
    /// Begins an empty registry.
    pub fn builder() -> ToolRegistryBuilder {
        ToolRegistryBuilder { tools: Vec::new(), page_size: None, cache: CacheHint::default() }
    }
}

impl fmt::Debug for ToolRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.by_name.keys()).finish()
    }
}

impl Registry for ToolRegistry {
    fn list_tools(&self, request: ListTools<'_>) -> Answer<'_, ToolPage> {
        let pages = match request.revision.era() {
            Era::Legacy => &self.0.legacy,
            Era::Modern => &self.0.modern,
        };
        Answer::ready(pages.page(request.cursor))
    }

    fn call_tool(&self, call: ToolCall<'_>) -> ToolFuture {
        match self.0.by_name.get(call.name()) {
            Some(tool) => tool.call(call),
            None => ToolFuture::ready(Err(RpcError::unknown_tool(call.name()))),
        }
    }
}

/// Collects tools; made by [`ToolRegistry::builder`].
#[must_use]
#[derive(Debug)]
pub struct ToolRegistryBuilder {
    tools: Vec<Tool>,
    page_size: Option<NonZeroUsize>,
    cache: CacheHint,
}

impl ToolRegistryBuilder {
    /// Adds a tool whose input schema is derived from the arguments of its
    /// handler; for more than a name and a description see [`Tool::new`].
    #[cfg(feature = "schemas")]
    pub fn tool<M, H>(self, name: impl Into<String>, description: impl Into<String>, handler: H) -> Self
    where
        M: crate::tool::TypedArguments,
        H: Handler<M>,
    {
        self.register(Tool::new(name, description, handler))
    }

    /// Adds a tool with a given input schema; see [`Tool::with_schema`].
    pub fn tool_with_schema<M, H: Handler<M>>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: impl serde::Serialize,
        handler: H,
    ) -> Self {
        self.register(Tool::with_schema(name, description, input_schema, handler))
    }

    /// Adds a tool. Lists keep the order in which tools were added.
    pub fn register(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Splits the list into pages of so many tools. By default it is one page,
    /// because not every client asks for a second.
    pub fn page_size(mut self, tools: NonZeroUsize) -> Self {
        self.page_size = Some(tools);
        self
    }

    /// How long, and for whom, clients may cache the list; by default not at all.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Checks the tools and builds the registry.
    ///
    /// # Errors
    /// Names the first tool whose name is taken or not allowed, whose schema is no
    /// object, or whose `x-mcp-header` breaks the rules.
    pub fn build(self) -> Result<ToolRegistry, RegistryError> {
        let mut tools = Vec::with_capacity(self.tools.len());
        for tool in self.tools {
            tools.push(tool.compile()?);
        }
        let page_size = self.page_size.map_or(usize::MAX, NonZeroUsize::get);
        let pages = |definition: fn(&CompiledTool) -> &[u8]| {
            let definitions = tools.iter().map(|tool| (&*tool.name, definition(tool)));
            Pages::new(&definitions.collect::<Vec<_>>(), page_size, self.cache)
        };
        let legacy = pages(|tool| &tool.legacy_definition);
        let modern = pages(|tool| &tool.modern_definition);
        let mut by_name = HashMap::with_capacity(tools.len());
        for tool in tools {
            if let Some(twin) = by_name.insert(Arc::clone(&tool.name), tool) {
                return Err(RegistryError::new(&twin.name, "the name is taken by another tool"));
            }
        }
        Ok(ToolRegistry(Arc::new(Tools { by_name, legacy, modern })))
    }
}

/// The list of one era, cut into pages.
struct Pages {
    first: ToolPage,
    /// By their cursors. A cursor holds the name of the last tool before it, so
    /// that replicas with the same tools understand each other's.
    others: HashMap<Arc<str>, ToolPage>,
}

impl Pages {
    fn new(definitions: &[(&str, &[u8])], size: usize, cache: CacheHint) -> Self {
        let mut chunks = definitions.chunks(size.min(definitions.len()).max(1)).peekable();
        let mut cursor: Option<Arc<str>> = None;
        let empty = ToolPage { definitions: bytes::Bytes::new(), next_cursor: None, cache };
        let mut pages = Self { first: empty, others: HashMap::new() };
        while let Some(chunk) = chunks.next() {
            let more = chunks.peek().is_some();
            let last = chunk.last().filter(|_| more);
            let next_cursor = last.map(|(name, _)| Arc::from(URL_SAFE_NO_PAD.encode(name)));
            let bytes: Vec<&[u8]> = chunk.iter().map(|(_, definition)| *definition).collect();
            let page =
                ToolPage { definitions: bytes.join(&b',').into(), next_cursor: next_cursor.clone(), cache };
            match cursor {
                None => pages.first = page,
                Some(cursor) => {
                    pages.others.insert(cursor, page);
                }
            }
            cursor = next_cursor;
        }
        pages
    }

    fn page(&self, cursor: Option<&str>) -> Result<ToolPage, RpcError> {
        match cursor {
            None => Ok(self.first.clone()),
            Some(cursor) => {
                let page = self.others.get(cursor).cloned();
                page.ok_or_else(|| RpcError::invalid_params("The cursor is not one of this list"))
            }
        }
    }
}
