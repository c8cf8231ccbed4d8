//! Calls (`tools/call`, `prompts/get` and `resources/read`), and the handlers that serve them.

pub(crate) mod answer;
mod binding;
mod context;
mod error;
mod error_map;
mod extract;
mod failure;
mod future;
mod guarded;
mod handler;
mod lookup;
mod outbox;
pub(crate) mod output;
pub(crate) mod raw_output;
mod request;
mod result;
mod rights;
#[cfg(feature = "tasks")]
mod task_mode;
mod texts;
mod valid;

pub(crate) use binding::{BoundHandler, StatefulHandler};
pub use context::CallContext;
pub(crate) use context::Exchange;
#[cfg(feature = "test-util")]
pub(crate) use context::LogFrom;
pub use error::{CallError, TooManyCalls, ToolError};
pub(crate) use error_map::ErrorMaps;
pub use extract::{Extension, FromCall, FromRef, State};
pub(crate) use failure::ShownErrors;
pub use failure::{CallKind, FailedCall, HandlerError};
#[cfg(feature = "tasks")]
pub(crate) use failure::{MAX_NAME, chain};
pub use future::CallFuture;
pub(crate) use future::Limit;
pub(crate) use guarded::{GuardedCall, Surroundings};
pub(crate) use handler::from_json;
pub use handler::{Handler, NoArguments};
#[cfg(feature = "schemas")]
pub(crate) use handler::{Method, WithArguments, WithContext, WithoutArguments};
pub(crate) use lookup::Lookup;
#[cfg(feature = "macros")]
pub use mcp_stateless_macros::FromRef;
pub(crate) use outbox::Leftovers;
#[cfg(feature = "test-util")]
pub(crate) use outbox::Outbox;
pub use output::{IntoOutput, Output};
pub use raw_output::InvalidOutput;
pub use request::Call;
pub(crate) use result::{ResultTexts, ResultWriter, WriteResult};
pub use rights::Tags;
pub(crate) use rights::{Rights, TagRule, rights_setters, rule_setter};
#[cfg(feature = "tasks")]
pub use task_mode::TaskMode;
#[cfg(feature = "tasks")]
pub(crate) use task_mode::{AuthorizedBefore, TaskPolicy};
pub(crate) use texts::from_texts;
pub use valid::{Valid, Validate};
