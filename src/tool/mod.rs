//! Tools: how they are written, called and answered.

mod call;
mod context;
mod definition;
mod error;
mod future;
mod handler;
mod mirror;
mod output;
mod running;
#[cfg(feature = "schemas")]
mod schema;

pub use call::ToolCall;
pub(crate) use context::Exchange;
pub use context::ToolContext;
pub(crate) use definition::CompiledTool;
pub use definition::Tool;
pub use error::ToolError;
pub use future::ToolFuture;
pub use handler::{Handler, NoArguments};
pub use mirror::MirroredParams;
pub use output::{IntoToolOutput, Json, ToolOutput};
pub(crate) use running::RunningTool;
#[cfg(feature = "schemas")]
pub use schema::TypedArguments;
