//! Tools: their definitions, and their results.

mod definition;
#[cfg(feature = "schemas")]
mod fields;
mod mirror;
mod output;
#[cfg(feature = "schemas")]
mod schema;
#[cfg(feature = "jsonschema")]
mod validate;

pub use crate::call::ToolError;
pub(crate) use definition::CompiledTool;
pub use definition::Tool;
pub use mirror::MirroredParams;
pub use output::{Json, ToolOutput};
#[cfg(feature = "schemas")]
pub use schema::{TypedArguments, TypedOutput};
