//! Resources, resource templates, and resources that come from data.

mod builder;
mod listing;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;

pub use self::builder::ResourceRegistryBuilder;
#[cfg(feature = "templates")]
use super::ItemKind;
use super::page::Pages;
use super::{Answer, Has, Item, ListRequest, Page, Registry};
use crate::call::{Call, CallFuture, Rights, Tags};
use crate::changes::Changes;
#[cfg(feature = "templates")]
use crate::completion::{Completion, CompletionRequest, Reference, unknown_reference};
use crate::jsonrpc::RpcError;
use crate::protocol::{Offer, ServerCapabilities};
#[cfg(feature = "templates")]
use crate::resource::CompiledTemplate;
use crate::resource::{CompiledCollection, CompiledResource, ResourceOutput, uri};

/// A set of resources and templates, checked and serialised when it is built, and of resources that
/// come from data: see [`ResourceCollection`](crate::resource::ResourceCollection) and
/// [`ResourceTemplate::list`](crate::resource::ResourceTemplate::list). Clones share them.
///
/// In a [`Catalog`](crate::Catalog), the list of a registry with a handler that lists counts as one
/// that may be late.
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
    collections: Vec<CompiledCollection>,
    changes: Changes,
    /// Whether changes are published.
    is_changing: bool,
    /// Whether every caller may see all of it.
    is_public: bool,
}

impl Resources {
    /// Returns the rights that apply to a URI: those of the resource, otherwise those of the first
    /// matching template or collection.
    fn rights(&self, uri: &str) -> Option<&Rights> {
        let uri = uri::canonical(uri);
        let rights = self.by_uri.get(&*uri).map(|resource| &resource.reader.rights);
        #[cfg(feature = "templates")]
        let rights = rights.or_else(|| {
            let template = self.templates.iter().find(|template| template.variables(&uri).is_some());
            template.map(|template| &template.reader.rights)
        });
        rights.or_else(|| {
            let collection = self.collections.iter().find(|collection| uri.starts_with(&collection.prefix));
            collection.map(|collection| &collection.reader.rights)
        })
    }

    /// Whether the caller may see a resource, if it exists.
    fn sees(&self, uri: &str, head: &Parts) -> bool {
        self.is_public || self.rights(uri).is_none_or(|rights| rights.permit(head))
    }
}

#[cfg(feature = "templates")]
impl Resources {
    /// Returns the template with an equivalent pattern.
    fn template(&self, written: &str) -> Option<&CompiledTemplate> {
        let written = uri::canonical(written);
        self.templates.iter().find(|template| template.canonical == written)
    }
}

impl ResourceRegistry {
    /// Creates a builder without resources.
    pub fn builder() -> ResourceRegistryBuilder {
        ResourceRegistryBuilder::new()
    }
}

impl fmt::Debug for ResourceRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.by_uri.keys()).finish()
    }
}

impl Registry for ResourceRegistry {
    fn capabilities(&self) -> ServerCapabilities {
        let has = ServerCapabilities {
            resources: Offer::Fixed,
            #[cfg(feature = "templates")]
            completions: self.0.templates.iter().any(|template| !template.completers.is_empty()),
            ..ServerCapabilities::default()
        };
        if self.0.is_changing { has.changing() } else { has }
    }

    fn has(&self, item: Item<'_>) -> Has {
        let has = match item {
            Item::Resource(uri) => {
                let uri = uri::canonical(uri);
                let is_fixed = self.0.by_uri.contains_key(&*uri);
                #[cfg(feature = "templates")]
                let is_fixed = is_fixed || self.0.templates.iter().any(|it| it.variables(&uri).is_some());
                // Only the handlers know whether the resource exists.
                if !is_fixed && self.0.collections.iter().any(|it| uri.starts_with(&it.prefix)) {
                    return Has::Maybe;
                }
                is_fixed
            }
            #[cfg(feature = "templates")]
            Item::ResourceTemplate(template) => self.0.template(template).is_some(),
            _ => false,
        };
        has.into()
    }

    fn tags(&self, item: Item<'_>) -> Tags {
        let rights = match item {
            Item::Resource(uri) => self.0.rights(uri),
            #[cfg(feature = "templates")]
            Item::ResourceTemplate(template) => {
                self.0.template(template).map(|template| &template.reader.rights)
            }
            _ => None,
        };
        rights.map(|rights| rights.tags().clone()).unwrap_or_default()
    }

    fn list_resources(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        self.0.list(request)
    }

    fn list_resource_templates(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        let page = self.0.template_pages.page(request.cursor);
        #[cfg(feature = "templates")]
        if !self.0.is_public {
            let sees = |template: &str| {
                let template = self.0.template(template);
                template.is_some_and(|template| template.reader.rights.list(request.head))
            };
            return Answer::ready(page.map(|page| page.visible(ItemKind::Templates.key(), sees)));
        }
        Answer::ready(page)
    }

    fn changes(&self) -> Changes {
        self.0.changes.clone()
    }

    fn may_watch(&self, uri: &str, head: &Parts) -> bool {
        self.0.sees(uri, head)
    }

    /// A resource with this URI takes precedence over templates, and these over collections, which
    /// are tried in the order in which they were added.
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
        for collection in &self.0.collections {
            if let Some(arguments) = collection.arguments(&uri) {
                return collection.reader.read(call.with_arguments(&arguments));
            }
        }
        CallFuture::refused(RpcError::resource_not_found(call.as_written()))
    }

    #[cfg(feature = "templates")]
    fn complete(&self, request: CompletionRequest<'_>) -> Answer<'_, Completion> {
        let template = match request.reference {
            Reference::Resource(template) => {
                let template = self.0.template(template);
                template.filter(|template| template.reader.rights.permit(request.head))
            }
            Reference::Prompt(_) => None,
        };
        match template {
            Some(template) => template.completers.complete(&request),
            None => Answer::ready(Err(unknown_reference(request.reference))),
        }
    }
}
