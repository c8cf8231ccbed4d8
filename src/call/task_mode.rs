//! Whether a call runs as a task.

/// Whether the calls of a tool run as tasks, for clients that declare the extension
/// `io.modelcontextprotocol/tasks`, where the manager [serves tasks](crate::task::Tasks).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskMode {
    /// Never: the client always waits for the result.
    Never,
    /// A call becomes a task when it has not ended after the manager's
    /// [`slow_calls_after`](crate::task::Tasks::slow_calls_after), or when its handler
    /// [says so](crate::CallContext::become_task). The default.
    #[default]
    WhenSlow,
    /// A call is a task from its start if the client can ask about tasks and there is room for one.
    /// Otherwise the client waits for the result.
    Preferred,
    /// A call is a task from its start. Clients that cannot ask about tasks are refused (`-32021`),
    /// those of earlier revisions among them.
    Required,
}

/// Marks the head of a call whose rights were checked when it became a task, and which another replica
/// begins again without the token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthorizedBefore;

/// How a call runs as a task, if it does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TaskPolicy {
    pub(crate) mode: TaskMode,
    /// Whether another replica may begin the call again, if the one that runs it dies.
    pub(crate) is_repeatable: bool,
}

impl TaskPolicy {
    /// Returns whether a call is a task from its start, where it can be.
    pub(crate) fn starts_as_task(self) -> bool {
        matches!(self.mode, TaskMode::Preferred | TaskMode::Required)
    }
}
