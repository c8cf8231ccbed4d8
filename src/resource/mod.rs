//! Resources and resource templates: their definitions and their contents.

mod collection;
mod definition;
mod list;
mod output;
#[cfg(feature = "templates")]
mod template;
pub(crate) mod uri;

pub(crate) use collection::CompiledCollection;
pub use collection::ResourceCollection;
pub(crate) use definition::CompiledResource;
pub use definition::Resource;
pub(crate) use list::BoundLister;
pub use list::{ListPage, ResourceList};
pub use output::{ResourceContent, ResourceOutput};
#[cfg(feature = "templates")]
pub(crate) use template::CompiledTemplate;
#[cfg(feature = "templates")]
pub use template::ResourceTemplate;
