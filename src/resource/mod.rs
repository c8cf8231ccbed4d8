//! Resources and resource templates: their definitions and their contents.

mod definition;
mod output;
#[cfg(feature = "templates")]
mod template;
pub(crate) mod uri;

pub(crate) use definition::CompiledResource;
pub use definition::Resource;
pub use output::{ResourceContent, ResourceOutput};
#[cfg(feature = "templates")]
pub(crate) use template::CompiledTemplate;
#[cfg(feature = "templates")]
pub use template::ResourceTemplate;
