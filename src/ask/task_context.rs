//! Tasks, as a handler sees them.

use crate::call::CallContext;
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::protocol::error;

/// Tasks (feature `tasks`).
///
/// An ordinary handler can run as a task without changes. A question waits until the client sends the
/// answer with `tasks/update`, even in a `select!` or with a timeout. A question that is dropped is
/// withdrawn. Progress becomes the status message, and log messages are not sent.
impl CallContext {
    /// Makes the call a task, and returns when the client has been sent its handle. If the call is already
    /// a task, this does nothing.
    ///
    /// A handler that knows how much work there is can decide whether the client should wait. Questions
    /// that the user should answer immediately have to be asked before:
    ///
    /// ```
    /// use mcp_stateless::{CallContext, ToolError};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Import { rows: usize }
    ///
    /// async fn import(args: Import, cx: CallContext) -> Result<String, ToolError> {
    ///     if args.rows > 1_000 {
    ///         cx.become_task().await?;
    ///     }
    ///     // …
    ///     Ok(format!("{} rows", args.rows))
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns the error `-32021` if the client does not support tasks, as all clients of earlier revisions,
    /// and `-32603` if the server has no tasks, if a limit of tasks is reached, or if the tool's
    /// [mode](crate::task::TaskMode) is `Never`. Return the error with `?` if the call must be a task.
    /// Otherwise continue, and the client waits for the result.
    pub async fn become_task(&self) -> Result<(), RpcError> {
        let asks = &self.exchange().asks;
        if asks.task().is_some() || asks.wish.is_granted() {
            return Ok(());
        }
        let era = self.revision().era();
        let declared = self.raw_meta(crate::protocol::meta::CLIENT_CAPABILITIES, |declared| {
            error::require_tasks(era, Some(declared))
        });
        declared.unwrap_or_else(|| error::require_tasks(era, None))?;
        if asks.settings().tasks.is_none() {
            tracing::error!("a handler wants its call to become a task, and the manager has no `tasks` set");
            return Err(RpcError::internal());
        }
        let refused =
            || RpcError::new(ErrorCode::INTERNAL_ERROR, "This cannot run as a task now: try again later");
        asks.until_task().await.then_some(()).ok_or_else(refused)
    }

    /// Returns whether the call has become a task.
    pub fn is_task(&self) -> bool {
        self.exchange().asks.task().is_some()
    }
}
