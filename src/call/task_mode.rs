//! Whether a call runs as a task.

/// Whether the calls of a tool run as tasks. This only concerns clients that declare the extension
/// `io.modelcontextprotocol/tasks`, and managers that [have tasks](crate::task::Tasks).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskMode {
    /// Calls never become tasks: the client always waits for the result.
    Never,
    /// A call becomes a task when it has not ended after the manager's
    /// [`slow_calls_after`](crate::task::Tasks::slow_calls_after), or when its handler
    /// calls [`become_task`](crate::CallContext::become_task). The default.
    #[default]
    WhenSlow,
    /// A call is a task from its start if the client supports tasks and no limit is reached. Otherwise the
    /// client waits for the result.
    Preferred,
    /// A call is a task from its start. Clients that do not support tasks, including all clients of earlier
    /// revisions, get the error `-32021`.
    Required,
}

/// Marks the head of a call that another replica restarts without the token. Its rights were checked when it
/// became a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthorizedBefore;

/// How a call runs as a task, if it does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TaskPolicy {
    pub(crate) mode: TaskMode,
    /// Whether another replica may restart the call if the one that runs it dies.
    pub(crate) is_repeatable: bool,
}

impl TaskPolicy {
    /// Returns whether a call is a task from its start, if it can be one.
    pub(crate) fn starts_as_task(self) -> bool {
        matches!(self.mode, TaskMode::Preferred | TaskMode::Required)
    }
}
