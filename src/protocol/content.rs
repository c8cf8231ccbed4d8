//! The content blocks of results.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Icon;

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
    Text {
        /// The text.
        text: Cow<'static, str>,
        /// For whom it is.
        annotations: Option<Box<Annotations>>,
    },
    /// An image.
    Image {
        /// The image's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: Cow<'static, str>,
        /// For whom it is.
        annotations: Option<Box<Annotations>>,
    },
    /// A sound.
    Audio {
        /// The sound's bytes in base64.
        data: String,
        /// Its MIME type.
        mime_type: Cow<'static, str>,
        /// For whom it is.
        annotations: Option<Box<Annotations>>,
    },
    /// A link to a resource that the client may read.
    ResourceLink(Box<ResourceLink>),
    /// A resource itself.
    Resource {
        /// The resource.
        resource: Box<EmbeddedResource>,
        /// For whom it is.
        annotations: Option<Box<Annotations>>,
    },
}

impl Content {
    /// A text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text { text: text.into(), annotations: None }
    }

    /// An image; `bytes` is the image itself, encoded here.
    pub fn image(bytes: &[u8], mime_type: impl Into<Cow<'static, str>>) -> Self {
        Self::Image { data: STANDARD.encode(bytes), mime_type: mime_type.into(), annotations: None }
    }

    /// A sound; `bytes` is the sound itself, encoded here.
    pub fn audio(bytes: &[u8], mime_type: impl Into<Cow<'static, str>>) -> Self {
        Self::Audio { data: STANDARD.encode(bytes), mime_type: mime_type.into(), annotations: None }
    }

    /// A resource itself.
    pub fn resource(resource: EmbeddedResource) -> Self {
        Self::Resource { resource: Box::new(resource), annotations: None }
    }

    /// A link to a resource.
    pub fn resource_link(link: ResourceLink) -> Self {
        Self::ResourceLink(Box::new(link))
    }

    /// Says for whom the block is.
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

/// A resource inside a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedResource {
    pub(crate) uri: String,
    pub(crate) mime_type: Option<Cow<'static, str>>,
    pub(crate) contents: ResourceContents,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourceContents {
    Text(String),
    Base64(String),
}

impl EmbeddedResource {
    /// A resource of text.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self { uri: uri.into(), mime_type: None, contents: ResourceContents::Text(text.into()) }
    }

    /// A resource of bytes, encoded here.
    pub fn bytes(uri: impl Into<String>, bytes: &[u8]) -> Self {
        let contents = ResourceContents::Base64(STANDARD.encode(bytes));
        Self { uri: uri.into(), mime_type: None, contents }
    }

    /// Sets the MIME type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<Cow<'static, str>>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

/// A link to a resource (2026-07-28, Schema, `ResourceLink`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceLink {
    /// The resource's URI.
    pub uri: String,
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is.
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
    /// For whom it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

impl ResourceLink {
    /// A link with this URI and name; the other fields can be set.
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
        }
    }
}

/// For whom a block is, how much it matters, and how old it is
/// (2026-07-28, Schema, `Annotations`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    /// Whom the block is meant for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Role>,
    /// From 0 (optional) to 1 (required).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
    /// When it last changed, as an ISO 8601 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// A party of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}
