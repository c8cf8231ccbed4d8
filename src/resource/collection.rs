//! Resources that come from data.

use std::fmt;

use super::definition::{About, Reader};
use super::list::{BoundLister, Lister, ResourceList};
use super::{ResourceOutput, uri};
use crate::call::{Handler, StatefulHandler, rights_setters};
use crate::error::RegistryError;
use crate::protocol::CacheHint;

/// Resources that come from data, to add to a [`ResourceRegistry`](crate::ResourceRegistry): all
/// URIs with a common prefix, listed by one handler and read by another. Each request asks the
/// handlers, so nothing has to be kept in sync.
///
/// The handler that lists is a [`Handler`](crate::call::Handler) that returns a [`ResourceList`].
/// It takes a [`ListPage`](super::ListPage) as its arguments if it lists in pages. The handler that
/// reads takes two arguments: `uri`, the URI, and `rest`, the part after the prefix. Both are in
/// canonical form (RFC 3986, section 6.2.2) without dot segments. They are not decoded, so an
/// encoded slash stays encoded. Errors are logged and masked like those of calls.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, RwLock};
///
/// use mcp_stateless::changes::{Change, Changes};
/// use mcp_stateless::protocol::{ResourceLink, RpcError};
/// use mcp_stateless::resource::ResourceCollection;
/// use mcp_stateless::{ResourceRegistry, State};
///
/// type Notes = Arc<RwLock<BTreeMap<String, String>>>;
///
/// #[derive(serde::Deserialize)]
/// struct Read { uri: String, rest: String }
///
/// async fn list(State(notes): State<Notes>) -> Vec<ResourceLink> {
///     let notes = notes.read().expect("no writer panics");
///     notes.keys().map(|name| ResourceLink::new(format!("note://{name}"), name)).collect()
/// }
///
/// async fn read(State(notes): State<Notes>, Read { uri, rest }: Read) -> Result<String, RpcError> {
///     let notes = notes.read().expect("no writer panics");
///     notes.get(&rest).cloned().ok_or_else(|| RpcError::resource_not_found(&uri))
/// }
///
/// let (notes, changes) = (Notes::default(), Changes::in_process());
/// let resources = ResourceRegistry::builder()
///     .with_state(Arc::clone(&notes))
///     .register_collection(ResourceCollection::new("note://", list, read).mime_type("text/plain"))
///     .changes(changes.clone())
///     .build()?;
///
/// notes.write().expect("no writer panics").insert("today".into(), "Buy milk.".into());
/// changes.publish(Change::Resources); // notifies listening clients
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[must_use]
pub struct ResourceCollection<S = ()> {
    prefix: String,
    pub(crate) about: About,
    lister: Lister<S>,
    handler: StatefulHandler<S, ResourceOutput>,
}

impl<S> fmt::Debug for ResourceCollection<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResourceCollection").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> ResourceCollection<S> {
    /// Creates the resources whose URIs begin with `prefix`, such as `note://`.
    pub fn new<L, ListMarker, R, ReadMarker>(prefix: impl Into<String>, list: L, read: R) -> Self
    where
        L: Handler<ListMarker, S, ResourceList>,
        R: Handler<ReadMarker, S, ResourceOutput>,
    {
        let prefix = prefix.into();
        Self {
            about: About::new(prefix.clone()),
            prefix,
            lister: StatefulHandler::new(list),
            handler: StatefulHandler::new(read),
        }
    }
}

impl<S> ResourceCollection<S> {
    /// Binds the handlers to their state, so that the collection fits a registry with any other
    /// state.
    pub fn with_state<Other>(self, state: S) -> ResourceCollection<Other>
    where
        S: Clone,
    {
        ResourceCollection {
            prefix: self.prefix,
            about: self.about,
            lister: StatefulHandler::Bound(self.lister.bind(state.clone())),
            handler: StatefulHandler::Bound(self.handler.bind(state)),
        }
    }

    rights_setters!(about.rights);

    /// Sets the MIME type of contents that do not set their own.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.about.mime_type = Some(mime_type.into());
        self
    }

    /// Sets how long, and for whom, clients may cache the contents. By default they may not.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.about.cache = hint;
        self
    }
}

impl ResourceCollection {
    /// Checks the definition and compiles it.
    pub(crate) fn compile(self) -> Result<CompiledCollection, RegistryError> {
        let checked = uri::check(&self.prefix).and_then(|()| self.about.check());
        checked.map_err(|fault| RegistryError::new("resource collection", &self.prefix, fault))?;
        Ok(CompiledCollection {
            prefix: uri::canonical(&self.prefix).into_owned(),
            lister: self.lister.bind(()),
            reader: Reader::new(self.about, self.handler.bind(())),
        })
    }
}

/// A checked collection, ready to be listed and read.
pub(crate) struct CompiledCollection {
    /// In canonical form.
    pub(crate) prefix: String,
    pub(crate) lister: BoundLister,
    pub(crate) reader: Reader,
}

impl CompiledCollection {
    /// Returns the arguments for reading a URI in canonical form, as a JSON object. Returns `None`
    /// for a URI without the prefix.
    pub(crate) fn arguments(&self, uri: &str) -> Option<String> {
        let rest = uri.strip_prefix(&self.prefix)?;
        Some(serde_json::json!({"uri": uri, "rest": rest}).to_string())
    }
}
