//! The wire types of MCP, one area a file, without behaviour.

mod capabilities;
mod content;
mod implementation;
pub(crate) mod meta;
pub(crate) mod method;
mod notification;
mod revision;
mod tool;

pub use capabilities::{ClientCapability, Offer, ServerCapabilities};
pub(crate) use content::ResourceContents;
pub use content::{Annotations, Content, EmbeddedResource, ResourceLink, Role};
pub use implementation::{Icon, IconTheme, Implementation};
pub use notification::LogLevel;
pub use revision::{Era, Revision};
pub use tool::{CacheHint, CacheScope, ToolAnnotations};
