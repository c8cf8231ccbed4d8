//! The wire types of MCP, without behaviour.

mod capabilities;
mod content;
pub(crate) mod error;
mod header;
mod implementation;
pub(crate) mod meta;
pub(crate) mod method;
mod notification;
mod own_meta;
mod revision;
mod served;
mod tool;
mod write_content;

pub use crate::jsonrpc::{ErrorCode, RpcError};
pub(crate) use capabilities::OwnCapabilities;
#[cfg(feature = "tasks")]
pub(crate) use capabilities::TASKS_EXTENSION;
pub use capabilities::{ClientCapability, Offer, ServerCapabilities};
pub(crate) use content::ResourceContents;
pub use content::{Annotations, Content, EmbeddedResource, ResourceLink, Role};
pub use header::header_value;
pub use implementation::{Icon, IconTheme, Implementation};
pub use notification::LogLevel;
pub(crate) use own_meta::{OwnMeta, add_meta, meta_setter, write_meta};
pub use revision::{Era, Revision};
pub(crate) use served::ServedRevisions;
pub use tool::{CacheHint, CacheScope, ToolAnnotations};
pub(crate) use write_content::{write_content, write_contents};
