//! Builds a registry of resources.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use super::{ResourceRegistry, Resources};
use crate::call::{Handler, TagRule, rule_setter};
use crate::changes::{Change, Changes};
use crate::error::RegistryError;
use crate::protocol::CacheHint;
use crate::registry::page::Pages;
#[cfg(feature = "templates")]
use crate::resource::ResourceTemplate;
use crate::resource::{Resource, ResourceCollection, ResourceOutput, uri};

/// Builds a [`ResourceRegistry`]; created by [`ResourceRegistry::builder`].
///
/// `S` is the state of the handlers that are added next; see [`with_state`](Self::with_state).
#[must_use]
pub struct ResourceRegistryBuilder<S = ()> {
    state: S,
    resources: Vec<Resource>,
    #[cfg(feature = "templates")]
    templates: Vec<ResourceTemplate>,
    collections: Vec<ResourceCollection>,
    changes: Option<Changes>,
    rule: Option<TagRule>,
    page_size: Option<NonZeroUsize>,
    cache: CacheHint,
}

impl ResourceRegistryBuilder {
    pub(super) fn new() -> Self {
        Self {
            state: (),
            resources: Vec::new(),
            #[cfg(feature = "templates")]
            templates: Vec::new(),
            collections: Vec::new(),
            changes: None,
            rule: None,
            page_size: None,
            cache: CacheHint::default(),
        }
    }
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
            collections: self.collections,
            changes: self.changes,
            rule: self.rule,
            page_size: self.page_size,
            cache: self.cache,
        }
    }

    /// Adds a resource. To set more than a URI and a name, see [`Resource::new`].
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

    /// Adds a template. A URI is read by the first template that matches.
    #[cfg(feature = "templates")]
    pub fn register_template(mut self, template: ResourceTemplate<S>) -> Self {
        self.templates.push(template.with_state(self.state.clone()));
        self
    }

    /// Adds the resources, templates and collections of another builder. They keep their state and
    /// the rule of its [`visible_by_tags`](Self::visible_by_tags), in addition to the rule of this
    /// builder. The page size and the cache hint are those of this builder. The
    /// [`changes`](Self::changes) of both are published.
    pub fn merge<Other>(mut self, other: ResourceRegistryBuilder<Other>) -> Self {
        let rule = other.rule.as_ref();
        self.resources.extend(other.resources.into_iter().map(|mut resource| {
            resource.about.rights.add_rule(rule);
            resource
        }));
        #[cfg(feature = "templates")]
        self.templates.extend(other.templates.into_iter().map(|mut template| {
            template.about.rights.add_rule(rule);
            template
        }));
        self.collections.extend(other.collections.into_iter().map(|mut collection| {
            collection.about.rights.add_rule(rule);
            collection
        }));
        self.changes = match (self.changes, other.changes) {
            (Some(own), Some(others)) => Some(Changes::all([own, others])),
            (own, others) => own.or(others),
        };
        self
    }

    /// Adds resources that come from data. A URI is read by the first collection with its prefix,
    /// if no resource and no template of the registry matches.
    pub fn register_collection(mut self, collection: ResourceCollection<S>) -> Self {
        self.collections.push(collection.with_state(self.state.clone()));
        self
    }

    /// Sets where changes are published: [`Change::Resources`] for the list, and
    /// [`Change::Resource`] for the contents of a resource. Listening clients are notified. A
    /// second call replaces the first. Without it, the registry declares that it does not change.
    pub fn changes(mut self, changes: Changes) -> Self {
        self.changes = Some(changes);
        self
    }

    rule_setter!();

    /// Sets the number of entries on each page of the lists. By default each list has one page,
    /// because not every client asks for a second.
    pub fn page_size(mut self, entries: NonZeroUsize) -> Self {
        self.page_size = Some(entries);
        self
    }

    /// Sets how long, and for whom, clients may cache the lists. By default they may not.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Checks the resources and templates, and builds the registry.
    ///
    /// # Errors
    /// Returns an error, which names the URI, if the URI of a resource or template is used twice or not
    /// valid.
    pub fn build(self) -> Result<ResourceRegistry, RegistryError> {
        let rule = self.rule.as_ref();
        let compile = |mut resource: Resource| {
            resource.about.rights.add_rule(rule);
            resource.compile()
        };
        let resources = self.resources.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let is_public = resources.iter().all(|resource| resource.reader.rights.are_public());
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
        #[cfg(feature = "templates")]
        let compile = |mut template: ResourceTemplate| {
            template.about.rights.add_rule(rule);
            template.compile()
        };
        #[cfg(feature = "templates")]
        let templates = self.templates.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        #[cfg(feature = "templates")]
        let is_public = is_public && templates.iter().all(|it| it.reader.rights.are_public());
        #[cfg(feature = "templates")]
        let definitions: Vec<_> =
            templates.iter().map(|it| (it.template.as_str(), it.definition.as_slice())).collect();
        #[cfg(not(feature = "templates"))]
        let definitions: Vec<(&str, &[u8])> = Vec::new();
        for (index, (template, _)) in definitions.iter().enumerate() {
            let is_same = |other: &str| uri::canonical(other) == uri::canonical(template);
            if definitions[..index].iter().any(|(other, _)| is_same(other)) {
                let fault = "the template occurs twice";
                return Err(RegistryError::new("resource template", template, fault));
            }
        }
        let compile = |mut collection: ResourceCollection| {
            collection.about.rights.add_rule(rule);
            collection.compile()
        };
        let collections = self.collections.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let is_public = is_public && collections.iter().all(|it| it.reader.rights.are_public());
        let template_pages = Pages::new(&definitions, self.page_size, self.cache);
        let is_changing = self.changes.is_some();
        let changes = self.changes.unwrap_or_else(Changes::none);
        Ok(ResourceRegistry(Arc::new_cyclic(|registry: &Weak<Resources>| Resources {
            by_uri,
            pages,
            template_pages,
            #[cfg(feature = "templates")]
            templates,
            collections,
            changes: if is_public { changes } else { restricted(changes, registry.clone()) },
            is_changing,
            is_public,
        })))
    }
}

/// Delivers changes of a resource only to callers who may see it. Revoking the right while a client
/// listens takes effect at once.
fn restricted(changes: Changes, registry: Weak<Resources>) -> Changes {
    changes.only_if(move |change, head| match change {
        Change::Resource(uri) => registry.upgrade().is_some_and(|registry| registry.sees(uri, head)),
        Change::Tools | Change::Prompts | Change::Resources => true,
    })
}
