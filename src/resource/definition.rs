//! A resource: its definition and its handler.

use std::fmt;
use std::sync::Arc;

use super::{ResourceOutput, uri};
use crate::call::{BoundHandler, Call, CallFuture, Handler, Rights, StatefulHandler, rights_setters};
use crate::error::RegistryError;
use crate::jsonrpc::{RpcError, write};
use crate::protocol::{Annotations, CacheHint, Icon, OwnMeta, meta_setter, write_meta};

/// A resource to add to a [`ResourceRegistry`](crate::ResourceRegistry): its definition and its
/// handler.
///
/// ```
/// use mcp_stateless::protocol::RpcError;
/// use mcp_stateless::{Resource, ResourceRegistry};
///
/// let notes = Resource::new("notes://today", "today", async || {
///     tokio::fs::read_to_string("today.md").await // an error is logged, and becomes `-32603`
/// })
/// .description("What is to be done today")
/// .mime_type("text/markdown");
/// let resources = ResourceRegistry::builder().register(notes).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// `S` is the state that the handler takes, which the registry's builder provides.
#[must_use]
pub struct Resource<S = ()> {
    uri: String,
    pub(crate) about: About,
    size: Option<u64>,
    handler: StatefulHandler<S, ResourceOutput>,
}

/// The maximum length of a name, in bytes.
const MAX_NAME: usize = 1024;

/// The parts that resources and templates share.
pub(crate) struct About {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) mime_type: Option<String>,
    pub(super) icons: Vec<Icon>,
    pub(super) annotations: Option<Annotations>,
    pub(super) meta: OwnMeta,
    pub(super) cache: CacheHint,
    pub(crate) rights: Rights,
}

impl About {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            title: None,
            description: None,
            mime_type: None,
            icons: Vec::new(),
            annotations: None,
            meta: None,
            cache: CacheHint::default(),
            rights: Rights::default(),
        }
    }

    /// Refuses a name that does not fit on a line.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.len() > MAX_NAME || self.name.chars().any(char::is_control) {
            return Err(format!("the name must have at most {MAX_NAME} bytes, and no control characters"));
        }
        self.rights.check()
    }

    /// Writes the definition, which starts with the URI or the template.
    pub(super) fn write(&self, (key, uri): (&str, &str), size: Option<u64>) -> Vec<u8> {
        let mut buffer = write::texts([
            (key, Some(uri)),
            ("name", Some(&self.name)),
            ("title", self.title.as_deref()),
            ("description", self.description.as_deref()),
            ("mimeType", self.mime_type.as_deref()),
        ]);
        if let Some(size) = size {
            write::key(&mut buffer, "size");
            write::display(&mut buffer, size);
        }
        // Strings, numbers and lists of them always serialise.
        if !self.icons.is_empty() {
            write::key(&mut buffer, "icons");
            let _ = write::json(&mut buffer, &self.icons);
        }
        if let Some(annotations) = &self.annotations {
            write::key(&mut buffer, "annotations");
            let _ = write::json(&mut buffer, annotations);
        }
        write_meta(&mut buffer, &self.meta);
        buffer.push(b'}');
        buffer
    }
}

impl<S> fmt::Debug for Resource<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Resource").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// The setters that resources and templates share.
macro_rules! about {
    () => {
        meta_setter!(about.meta);

        rights_setters!(about.rights);

        /// Sets the display name.
        pub fn title(mut self, title: impl Into<String>) -> Self {
            self.about.title = Some(title.into());
            self
        }

        /// Sets the description.
        pub fn description(mut self, description: impl Into<String>) -> Self {
            self.about.description = Some(description.into());
            self
        }

        /// Sets the MIME type. It also applies to contents that do not set their own.
        pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
            self.about.mime_type = Some(mime_type.into());
            self
        }

        /// Adds an icon.
        pub fn icon(mut self, icon: Icon) -> Self {
            self.about.icons.push(icon);
            self
        }

        /// Sets whom it is for, and how much it matters.
        pub fn annotations(mut self, annotations: Annotations) -> Self {
            self.about.annotations = Some(annotations);
            self
        }

        /// Sets how long, and for whom, clients may cache the contents. By default they may not.
        pub fn cache_hint(mut self, hint: CacheHint) -> Self {
            self.about.cache = hint;
            self
        }
    };
}
#[cfg(feature = "templates")]
pub(super) use about;

impl<S: Send + Sync + 'static> Resource<S> {
    /// Creates a resource with this URI, whose contents the `handler` returns when they are read.
    pub fn new<M, H: Handler<M, S, ResourceOutput>>(
        uri: impl Into<String>,
        name: impl Into<String>,
        handler: H,
    ) -> Self {
        Self {
            uri: uri.into(),
            about: About::new(name.into()),
            size: None,
            handler: StatefulHandler::new(handler),
        }
    }
}

impl<S> Resource<S> {
    /// Binds the handler to its state, so that the resource fits a registry with any other state.
    pub fn with_state<Other>(self, state: S) -> Resource<Other> {
        let handler = StatefulHandler::Bound(self.handler.bind(state));
        Resource { handler, uri: self.uri, about: self.about, size: self.size }
    }

    about!();

    /// Sets the size in bytes before any encoding.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }
}

impl Resource {
    /// Checks the definition and compiles it.
    pub(crate) fn compile(self) -> Result<CompiledResource, RegistryError> {
        let checked = uri::check(&self.uri).and_then(|()| self.about.check());
        checked.map_err(|fault| RegistryError::new("resource", &self.uri, fault))?;
        Ok(CompiledResource {
            definition: self.about.write(("uri", &self.uri), self.size),
            uri: self.uri.into(),
            reader: Reader::new(self.about, self.handler.bind(())),
        })
    }
}

/// A checked resource, ready to be read.
pub(crate) struct CompiledResource {
    pub(crate) uri: Arc<str>,
    pub(crate) definition: Vec<u8>,
    pub(crate) reader: Reader,
}

/// Reads a resource, and adds what the handler left out.
pub(crate) struct Reader {
    name: Arc<str>,
    mime_type: Option<String>,
    cache: CacheHint,
    pub(crate) rights: Rights,
    /// Whether every caller may read it. Otherwise no shared cache may keep the contents.
    is_public: bool,
    handler: BoundHandler<ResourceOutput>,
}

impl Reader {
    pub(super) fn new(about: About, handler: BoundHandler<ResourceOutput>) -> Self {
        let About { name, mime_type, cache, rights, .. } = about;
        let is_public = rights.are_public();
        Self { name: name.into(), mime_type, cache, rights, is_public, handler }
    }

    pub(crate) fn read(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        if !self.rights.allow(call.head()) {
            return CallFuture::refused(RpcError::resource_not_found(call.as_written()));
        }
        if let Err(missing) = self.rights.check_scopes(&call) {
            return CallFuture::refused(missing);
        }
        let name = call.other_name(&self.name);
        // Copied, because the count of an `Arc` would be memory that all calls write to.
        let (uri, mime_type, cache) = (call.as_written().to_owned(), self.mime_type.clone(), self.cache);
        let is_public = self.is_public;
        let mut future = (self.handler)(call).map(move |mut output| {
            output.complete(&uri, mime_type.as_deref(), cache);
            if is_public { output } else { output.private() }
        });
        future.name = name;
        future
    }
}
