//! A fixed set of resources and resource templates.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::page::Pages;
use super::{Answer, Has, Item, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture, Handler};
#[cfg(feature = "templates")]
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::error::RegistryError;
use crate::jsonrpc::RpcError;
use crate::protocol::{CacheHint, Offer, ServerCapabilities};
use crate::resource::{CompiledResource, Resource, ResourceOutput, uri};
#[cfg(feature = "templates")]
use crate::resource::{CompiledTemplate, ResourceTemplate};

/// Resources and templates, checked and serialised once, when it is built. Clones share
/// them.
///
/// ```
/// use mcp_stateless::ResourceRegistry;
///
/// let resources = ResourceRegistry::builder()
///     .resource("memo://today", "today", async || "Buy milk.")
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct ResourceRegistry(Arc<Resources>);

struct Resources {
    /// By their URIs in canonical form.
    by_uri: HashMap<Arc<str>, CompiledResource>,
    pages: Pages,
    template_pages: Pages,
    #[cfg(feature = "templates")]
    templates: Vec<CompiledTemplate>,
}

#[cfg(feature = "templates")]
impl Resources {
    /// The template that is written so, or in an equivalent way.
    fn template(&self, written: &str) -> Option<&CompiledTemplate> {
        let written = uri::canonical(written);
        self.templates.iter().find(|template| template.canonical == written)
    }
}

impl ResourceRegistry {
    /// Begins an empty registry.
    pub fn builder() -> ResourceRegistryBuilder {
        ResourceRegistryBuilder {
            state: (),
            resources: Vec::new(),
            #[cfg(feature = "templates")]
            templates: Vec::new(),
            page_size: None,
            cache: CacheHint::default(),
        }
    }
}

impl fmt::Debug for ResourceRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.by_uri.keys()).finish()
    }
}

impl Registry for ResourceRegistry {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities {
            resources: Offer::Fixed,
            #[cfg(feature = "templates")]
            completions: self.0.templates.iter().any(|template| !template.completers.is_empty()),
            ..ServerCapabilities::default()
        }
    }

    fn has(&self, item: Item<'_>) -> Has {
        let has = match item {
            Item::Resource(uri) => {
                let uri = uri::canonical(uri);
                let is_fixed = self.0.by_uri.contains_key(&*uri);
                #[cfg(feature = "templates")]
                let is_fixed = is_fixed || self.0.templates.iter().any(|it| it.variables(&uri).is_some());
                is_fixed
            }
            #[cfg(feature = "templates")]
            Item::ResourceTemplate(template) => self.0.template(template).is_some(),
            _ => false,
        };
        has.into()
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::ready(self.0.pages.page(request.cursor))
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::ready(self.0.template_pages.page(request.cursor))
    }

    /// A resource of the URI itself goes before the templates, which are tried in the
    /// order in which they were added.
    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        let uri = uri::canonical(call.target());
        if let Some(resource) = self.0.by_uri.get(&*uri) {
            return resource.reader.read(call);
        }
        #[cfg(feature = "templates")]
        for template in &self.0.templates {
            if let Some(variables) = template.variables(&uri) {
                return template.reader.read(call.with_arguments(&variables));
            }
        }
        CallFuture::refused(RpcError::resource_not_found(call.as_written()))
    }

    #[cfg(feature = "templates")]
    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let template = match request.reference {
            Reference::Resource(template) => self.0.template(template),
            Reference::Prompt(_) => None,
        };
        match template {
            Some(template) => template.completers.complete(request.argument, request.completing),
            None => Answer::ready(Err(unknown_reference(request.reference))),
        }
    }
}

/// Collects resources and templates; made by [`ResourceRegistry::builder`].
///
/// `S` is the state of the handlers that are added next; see [`with_state`](Self::with_state).
#[must_use]
pub struct ResourceRegistryBuilder<S = ()> {
    state: S,
    resources: Vec<Resource>,
    #[cfg(feature = "templates")]
    templates: Vec<ResourceTemplate>,
    page_size: Option<NonZeroUsize>,
    cache: CacheHint,
}

impl<S> fmt::Debug for ResourceRegistryBuilder<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("ResourceRegistryBuilder");
        debug.field("resources", &self.resources).finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> ResourceRegistryBuilder<S> {
    /// Sets the state of the handlers that are added from here on; see
    /// [`ToolRegistryBuilder::with_state`](crate::registry::ToolRegistryBuilder::with_state).
    pub fn with_state<Other>(self, state: Other) -> ResourceRegistryBuilder<Other> {
        ResourceRegistryBuilder {
            state,
            resources: self.resources,
            #[cfg(feature = "templates")]
            templates: self.templates,
            page_size: self.page_size,
            cache: self.cache,
        }
    }

    /// Adds a resource; for more than a URI and a name see [`Resource::new`].
    pub fn resource<M, H>(self, uri: impl Into<String>, name: impl Into<String>, handler: H) -> Self
    where
        // The compiler shows these comments where a bound is not met.
        H: Clone, // each call clones a closure: put an `Arc` around captures that are not `Clone`
        H: Handler<M, S, ResourceOutput>, // a closure owns what it captures: `async move |…| …`
    {
        self.register(Resource::new(uri, name, handler))
    }

    /// Adds a resource. Lists keep the order in which resources were added.
    pub fn register(mut self, resource: Resource<S>) -> Self {
        self.resources.push(resource.with_state(self.state.clone()));
        self
    }

    /// Adds a template. A URI is read by the first that it fits.
    #[cfg(feature = "templates")]
    pub fn register_template(mut self, template: ResourceTemplate<S>) -> Self {
        self.templates.push(template.with_state(self.state.clone()));
        self
    }

    /// Adds the resources and templates of another builder, which keep their state. The page size
    /// and the cache hint are those of this builder.
    pub fn merge<Other>(mut self, other: ResourceRegistryBuilder<Other>) -> Self {
        self.resources.extend(other.resources);
        #[cfg(feature = "templates")]
        self.templates.extend(other.templates);
        self
    }

    /// Splits the lists into pages of so many entries. By default each is one page,
    /// because not every client asks for a second.
    pub fn page_size(mut self, entries: NonZeroUsize) -> Self {
        self.page_size = Some(entries);
        self
    }

    /// How long, and for whom, clients may cache the lists; by default not at all.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Checks the resources and templates, and builds the registry.
    ///
    /// # Errors
    /// Names the first resource or template whose URI is taken or is none.
    pub fn build(self) -> Result<ResourceRegistry, RegistryError> {
        let resources = self.resources.into_iter().map(Resource::compile).collect::<Result<Vec<_>, _>>()?;
        let definitions: Vec<_> = resources.iter().map(|it| (&*it.uri, it.definition.as_slice())).collect();
        let pages = Pages::new(&definitions, self.page_size, self.cache);
        let mut by_uri = HashMap::with_capacity(resources.len());
        for resource in resources {
            let canonical = uri::canonical(&resource.uri);
            if by_uri.contains_key(&*canonical) {
                let fault = "the URI is taken by another resource";
                return Err(RegistryError::new("resource", &resource.uri, fault));
            }
            by_uri.insert(Arc::from(canonical), resource);
        }
        #[cfg(feature = "templates")]
        let templates =
            self.templates.into_iter().map(ResourceTemplate::compile).collect::<Result<Vec<_>, _>>()?;
        #[cfg(feature = "templates")]
        let definitions: Vec<_> =
            templates.iter().map(|it| (it.template.as_str(), it.definition.as_slice())).collect();
        #[cfg(not(feature = "templates"))]
        let definitions: Vec<(&str, &[u8])> = Vec::new();
        for (index, (template, _)) in definitions.iter().enumerate() {
            let is_same = |other: &str| uri::canonical(other) == uri::canonical(template);
            if definitions[..index].iter().any(|(other, _)| is_same(other)) {
                let fault = "the template is there twice";
                return Err(RegistryError::new("resource template", template, fault));
            }
        }
        let template_pages = Pages::new(&definitions, self.page_size, self.cache);
        Ok(ResourceRegistry(Arc::new(Resources {
            by_uri,
            pages,
            template_pages,
            #[cfg(feature = "templates")]
            templates,
        })))
    }
}
