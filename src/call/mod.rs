//! Calls: `tools/call`, `prompts/get` and `resources/read`, the requests that a handler
//! serves; how handlers are written, and how they are run.

mod binding;
mod context;
mod error;
mod extract;
mod failure;
mod future;
mod guarded;
mod handler;
mod outbox;
pub(crate) mod output;
pub(crate) mod raw_output;
mod request;
mod result;
mod texts;

pub(crate) use binding::{BoundHandler, StatefulHandler};
pub use context::CallContext;
pub(crate) use context::Exchange;
pub use error::{CallError, ToolError};
pub use extract::{Extension, FromCall, State};
pub(crate) use failure::ShownErrors;
pub use failure::{CallKind, FailedCall, HandlerError};
pub use future::CallFuture;
pub(crate) use future::Limit;
pub(crate) use guarded::GuardedCall;
pub(crate) use handler::from_json;
pub use handler::{Handler, NoArguments};
#[cfg(feature = "schemas")]
pub(crate) use handler::{Method, WithArguments, WithContext, WithoutArguments};
pub(crate) use outbox::Leftovers;
pub use output::{IntoOutput, Output};
pub use raw_output::InvalidOutput;
pub use request::Call;
pub(crate) use result::{ResultTexts, ResultWriter, WriteResult};
pub(crate) use texts::from_texts;
