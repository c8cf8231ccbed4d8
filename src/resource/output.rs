//! The results of reading resources.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::call::output::sealed::Sealed;
use crate::call::raw_output::{InvalidOutput, Main, RawOutput};
use crate::call::{CallError, CallKind, IntoOutput, Output, ResultWriter, WriteResult};
use crate::protocol::{CacheHint, CacheScope, Era, OwnMeta, ResourceContents, meta_setter, write_contents};

/// The result of reading a resource (2026-07-28, Schema, `ReadResourceResult`).
///
/// ```
/// use mcp_stateless::resource::{ResourceContent, ResourceOutput};
///
/// let directory = ResourceOutput::new([
///     ResourceContent::text("fn main() {}").uri("file:///main.rs").mime_type("text/x-rust"),
///     ResourceContent::bytes(b"...").uri("file:///icon.png").mime_type("image/png"),
/// ]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceOutput {
    pub(crate) contents: Vec<ResourceContent>,
    pub(crate) cache: Option<CacheHint>,
    pub(crate) meta: OwnMeta,
    /// Replaces all other fields.
    pub(crate) raw: Option<RawOutput>,
}

/// A part of a resource: text or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceContent {
    pub(crate) uri: Option<String>,
    pub(crate) mime_type: Option<Cow<'static, str>>,
    pub(crate) contents: ResourceContents,
    pub(crate) meta: OwnMeta,
}

impl ResourceContent {
    /// Creates a part from text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { uri: None, mime_type: None, contents: ResourceContents::Text(text.into()), meta: None }
    }

    /// Creates a part from bytes, and encodes them.
    pub fn bytes(bytes: &[u8]) -> Self {
        let contents = ResourceContents::Base64(STANDARD.encode(bytes));
        Self { uri: None, mime_type: None, contents, meta: None }
    }

    /// Sets the URI of the part. Defaults to that of the request.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Sets the MIME type. Defaults to that of the resource's definition.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Cow<'static, str>>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    meta_setter!(
        #[must_use]
        meta
    );

    /// Returns the text, if the part is text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.contents {
            ResourceContents::Text(text) => Some(text),
            ResourceContents::Base64(_) => None,
        }
    }

    /// Returns the bytes, if the part is not text.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match &self.contents {
            ResourceContents::Text(_) => None,
            ResourceContents::Base64(blob) => STANDARD.decode(blob).ok(),
        }
    }
}

impl ResourceOutput {
    /// Creates a result from the JSON text of a `ReadResourceResult`, for example of another
    /// server. Its members reach the client unchanged, except those that depend on the client's
    /// revision: `resultType`, the server's name in `_meta`, `ttlMs` and `cacheScope`.
    ///
    /// # Errors
    /// Returns an error if the text is not a JSON object, is nested more than 128 levels deep, or if
    /// `contents` is not an array.
    pub fn from_json(json: impl Into<String>) -> Result<Self, InvalidOutput> {
        let (mut ttl, mut scope) = (None, None);
        let raw = RawOutput::read(json.into(), Main::Array("contents"), |key, value| match key {
            "ttlMs" => ttl = value.text().parse().ok().map(Duration::from_millis),
            "cacheScope" if value.string().as_deref() == Some("public") => scope = Some(CacheScope::Public),
            "cacheScope" => scope = Some(CacheScope::Private),
            _ => {}
        })?;
        let hint = CacheHint { ttl: ttl.unwrap_or_default(), scope: scope.unwrap_or_default() };
        let cache = (ttl.is_some() || scope.is_some()).then_some(hint);
        Ok(Self { raw: Some(raw), cache, ..Self::default() })
    }

    /// Creates a result with these parts.
    pub fn new(contents: impl IntoIterator<Item = ResourceContent>) -> Self {
        Self { contents: contents.into_iter().collect(), ..Self::default() }
    }

    /// Sets how long, and for whom, clients may cache the contents. Defaults to what the resource's
    /// definition says; otherwise they may not.
    #[must_use]
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = Some(hint);
        self
    }

    meta_setter!(
        #[must_use]
        meta
    );

    /// Returns the parts. Empty for a result that was created [from JSON](Self::from_json).
    pub fn contents(&self) -> &[ResourceContent] {
        &self.contents
    }

    /// Makes the result private, so that shared caches do not keep it.
    pub(crate) fn private(mut self) -> Self {
        self.cache = self.cache.map(CacheHint::for_caller);
        self
    }

    /// Makes the result stale at once, because it depends on answers of the client (2026-07-28, Server,
    /// "Caching").
    #[cfg(feature = "ask")]
    pub(crate) fn uncached(mut self) -> Self {
        self.cache = Some(CacheHint::default());
        self
    }

    /// Adds what the handler left out.
    pub(crate) fn complete(&mut self, uri: &str, mime_type: Option<&str>, cache: CacheHint) {
        for content in &mut self.contents {
            content.uri.get_or_insert_with(|| uri.to_owned());
            if let (None, Some(mime_type)) = (&content.mime_type, mime_type) {
                content.mime_type = Some(Cow::Owned(mime_type.to_owned()));
            }
        }
        self.cache.get_or_insert(cache);
    }
}

impl Sealed for ResourceOutput {}

impl Output for ResourceOutput {
    const KIND: CallKind = CallKind::Resource;
}

impl IntoOutput<ResourceOutput> for ResourceContent {
    fn into_output(self) -> Result<ResourceOutput, CallError> {
        Ok(ResourceOutput::new([self]))
    }
}

impl IntoOutput<ResourceOutput> for Vec<ResourceContent> {
    fn into_output(self) -> Result<ResourceOutput, CallError> {
        Ok(ResourceOutput::new(self))
    }
}

macro_rules! one_text {
    ($($text:ty),*) => {$(
        impl IntoOutput<ResourceOutput> for $text {
            fn into_output(self) -> Result<ResourceOutput, CallError> {
                ResourceContent::text(self).into_output()
            }
        }
    )*};
}

macro_rules! one_blob {
    ($($bytes:ty),*) => {$(
        impl IntoOutput<ResourceOutput> for $bytes {
            fn into_output(self) -> Result<ResourceOutput, CallError> {
                ResourceContent::bytes(&self).into_output()
            }
        }
    )*};
}

one_text!(String, &'static str, Cow<'static, str>);
one_blob!(Vec<u8>, bytes::Bytes);

/// Writes a `ReadResourceResult`.
impl WriteResult for ResourceOutput {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        if let Some(raw) = &self.raw {
            return raw.write(writer, Some(self.cache.unwrap_or_default()), |_, _| true);
        }
        writer.open_array(r#"{"contents":"#, &self.contents, |buffer, content| {
            let uri = content.uri.as_deref().unwrap_or_default();
            write_contents(buffer, uri, content.mime_type.as_deref(), &content.contents, &content.meta);
        });
        if writer.era() == Era::Modern {
            writer.cache_hint(self.cache.unwrap_or_default());
        }
        writer.end(self.meta.as_deref());
    }
}
