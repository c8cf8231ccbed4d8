//! Tasks, as a handler sees them.

use crate::call::CallContext;
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::protocol::error;

/// Tasks (feature `tasks`).
///
/// An ordinary handler runs as a task unchanged. A question waits where it was asked until
/// `tasks/update` brings the answer, even in a `select!` or under a timeout; a question that is
/// dropped is withdrawn. Progress becomes the status message, and log messages are not sent.
impl CallContext {
    /// Makes the call a task, and returns when the client has been told so. If the call is a task
    /// already, it does nothing.
    ///
    /// A handler that knows how much there is to do decides by itself whether the client should
    /// wait, and asks before what it wants to know at once:
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
    /// `-32021` when the client cannot ask about tasks, which clients of earlier revisions never can;
    /// `-32603` when the server serves no tasks or has no room for another one, or when the tool's
    /// [mode](crate::task::TaskMode) is `Never`. Return the error with `?` if the call must be a task,
    /// or go on and let the client wait.
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
