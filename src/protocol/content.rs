//! The content blocks of results.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Icon, OwnMeta, add_meta, meta_setter};

/// A block of a result's content (2026-07-28, Schema, `ContentBlock`).
///
/// ```
/// use mcp_stateless::protocol::Content;
///
/// let text = Content::text("Hello");
/// let image = Content::image(&[0x89, b'P', b'N', b'G'], "image/png");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// A text.
    #[non_exhaustive]
    Text {
        /// The text.
        text: Cow<'static, str>,
        /// Its annotations.
        annotations: Option<Box<Annotations>>,
        /// Its `_meta`.
        meta: Option<Box<Map<String, Value>>>,
    },
    /// An image.
    #[non_exhaustive]
    Image {
        /// The image data in base64.
        data: String,
        /// Its MIME type.
        mime_type: Cow<'static, str>,
        /// Its annotations.
        annotations: Option<Box<Annotations>>,
        /// Its `_meta`.
        meta: Option<Box<Map<String, Value>>>,
    },
    /// Audio.
    #[non_exhaustive]
    Audio {
        /// The audio data in base64.
        data: String,
        /// Its MIME type.
        mime_type: Cow<'static, str>,
        /// Its annotations.
        annotations: Option<Box<Annotations>>,
        /// Its `_meta`.
        meta: Option<Box<Map<String, Value>>>,
    },
    /// A link to a resource that the client may read.
    ResourceLink(Box<ResourceLink>),
    /// An embedded resource.
    #[non_exhaustive]
    Resource {
        /// The resource.
        resource: Box<EmbeddedResource>,
        /// Its annotations.
        annotations: Option<Box<Annotations>>,
        /// Its `_meta`.
        meta: Option<Box<Map<String, Value>>>,
    },
}

impl Content {
    /// Creates a text block.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text { text: text.into(), annotations: None, meta: None }
    }

    /// Creates an image block. `bytes` is the image, which this encodes in base64.
    pub fn image(bytes: &[u8], mime_type: impl Into<Cow<'static, str>>) -> Self {
        Self::Image {
            data: STANDARD.encode(bytes),
            mime_type: mime_type.into(),
            annotations: None,
            meta: None,
        }
    }

    /// Creates an audio block. `bytes` is the audio, which this encodes in base64.
    pub fn audio(bytes: &[u8], mime_type: impl Into<Cow<'static, str>>) -> Self {
        Self::Audio {
            data: STANDARD.encode(bytes),
            mime_type: mime_type.into(),
            annotations: None,
            meta: None,
        }
    }

    /// Creates a block with an embedded resource.
    pub fn resource(resource: EmbeddedResource) -> Self {
        Self::Resource { resource: Box::new(resource), annotations: None, meta: None }
    }

    /// Creates a block with a link to a resource.
    pub fn resource_link(link: ResourceLink) -> Self {
        Self::ResourceLink(Box::new(link))
    }

    /// Sets the annotations of the block.
    #[must_use]
    pub fn annotate(mut self, new: Annotations) -> Self {
        match &mut self {
            Self::Text { annotations, .. }
            | Self::Image { annotations, .. }
            | Self::Audio { annotations, .. }
            | Self::Resource { annotations, .. } => *annotations = Some(Box::new(new)),
            Self::ResourceLink(link) => link.annotations = Some(new),
        }
        self
    }
}

impl Content {
    /// Adds a member to the block's `_meta` (2026-07-28, Base Protocol, "`_meta`"). Replaces a
    /// member of the same name.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let meta = match &mut self {
            Self::Text { meta, .. }
            | Self::Image { meta, .. }
            | Self::Audio { meta, .. }
            | Self::Resource { meta, .. } => meta,
            Self::ResourceLink(link) => &mut link.meta,
        };
        add_meta(meta, key, value);
        self
    }

    /// Returns the text of a text block.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}

macro_rules! from_text {
    ($($text:ty),*) => {$(
        impl From<$text> for Content {
            fn from(text: $text) -> Self {
                Self::text(text)
            }
        }
    )*};
}

from_text!(String, &'static str, Cow<'static, str>);

/// A resource that is embedded in a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedResource {
    pub(crate) uri: String,
    pub(crate) mime_type: Option<Cow<'static, str>>,
    pub(crate) contents: ResourceContents,
    pub(crate) meta: OwnMeta,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourceContents {
    Text(String),
    Base64(String),
}

impl EmbeddedResource {
    /// Creates a resource with text contents.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self { uri: uri.into(), mime_type: None, contents: ResourceContents::Text(text.into()), meta: None }
    }

    /// Creates a resource with binary contents, which this encodes in base64.
    pub fn bytes(uri: impl Into<String>, bytes: &[u8]) -> Self {
        let contents = ResourceContents::Base64(STANDARD.encode(bytes));
        Self { uri: uri.into(), mime_type: None, contents, meta: None }
    }

    /// Sets the MIME type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Cow<'static, str>>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    meta_setter!(
        #[must_use]
        meta
    );
}

/// A link to a resource (2026-07-28, Schema, `ResourceLink`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceLink {
    /// The resource's URI.
    pub uri: String,
    /// Its programmatic name.
    pub name: String,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A description of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its MIME type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its size in bytes, before any encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its icons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Its `_meta`.
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Box<Map<String, Value>>>,
}

impl ResourceLink {
    /// Creates a link with a URI and a name.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
            icons: Vec::new(),
            annotations: None,
            meta: None,
        }
    }

    /// Sets its display name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets its description.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets its MIME type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Sets its size in bytes, before any encoding.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.push(icon);
        self
    }

    /// Sets its annotations.
    #[must_use]
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    meta_setter!(
        #[must_use]
        meta
    );
}

/// The audience, the priority and the age of content (2026-07-28, Schema, `Annotations`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Annotations {
    /// The intended audience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Role>,
    /// The priority, from 0 (optional) to 1 (required).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
    /// The time of the last change, in ISO 8601 format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

impl Annotations {
    /// Creates empty annotations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a role to the audience.
    #[must_use]
    pub fn audience(mut self, role: Role) -> Self {
        self.audience.push(role);
        self
    }

    /// Sets the priority, from 0 (optional) to 1 (required).
    #[must_use]
    pub fn priority(mut self, priority: f64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets the time of the last change, in ISO 8601 format.
    #[must_use]
    pub fn last_modified(mut self, time: impl Into<String>) -> Self {
        self.last_modified = Some(time.into());
        self
    }
}

/// A participant in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// The user.
    User,
    /// The model.
    Assistant,
}
