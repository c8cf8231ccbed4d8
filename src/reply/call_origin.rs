//! The request of a call, and whether the call is a task from its start.

#[cfg(feature = "tasks")]
use http::request::Parts;

#[cfg(feature = "tasks")]
use crate::{
    call::{CallKind, Exchange, GuardedCall, MAX_NAME, Output, TaskMode},
    jsonrpc::RpcError,
    observe::line,
    protocol::error,
    request::ValidRequest,
    settings::Settings,
    task::{SeedParts, TaskSeed},
};

/// The request of a call, while its body is available.
#[derive(Clone, Copy)]
pub(crate) struct CallOrigin<'a> {
    pub(crate) target: &'a str,
    #[cfg(feature = "tasks")]
    pub(crate) arguments: &'a str,
    #[cfg(feature = "tasks")]
    pub(crate) request: &'a ValidRequest<'a>,
}

/// What to do with a call before it is polled.
#[cfg(feature = "tasks")]
pub(super) enum AtStart {
    /// Poll it.
    Call,
    /// The call is a task from its start. It must not be polled before the task is in the store.
    Task(Box<TaskSeed>),
    /// The call must be a task, but cannot become one.
    Refused(RpcError),
}

#[cfg(feature = "tasks")]
impl CallOrigin<'_> {
    #[inline]
    pub(super) fn at_start<T: Output>(
        self,
        call: &GuardedCall<T>,
        exchange: Option<&Exchange>,
        head: &Parts,
        settings: &Settings,
    ) -> AtStart {
        if call.task_policy().starts_as_task() {
            self.as_task(call, exchange, head, settings)
        } else {
            AtStart::Call
        }
    }

    #[cold]
    fn as_task<T: Output>(
        self,
        call: &GuardedCall<T>,
        exchange: Option<&Exchange>,
        head: &Parts,
        settings: &Settings,
    ) -> AtStart {
        if let Some(seed) = self.seed(call, exchange, head, settings) {
            return AtStart::Task(seed);
        }
        if T::KIND != CallKind::Tool || call.task_policy().mode != TaskMode::Required {
            return AtStart::Call;
        }
        let declared = self.request.params.meta.client_capabilities;
        let missing = error::require_tasks(self.request.era(), declared).err();
        AtStart::Refused(missing.unwrap_or_else(|| {
            let name = &*line(call.name(self.target), MAX_NAME);
            tracing::error!(name, "a call must run as a task, and the server cannot run tasks");
            RpcError::internal()
        }))
    }

    /// Returns the data that is needed if the call becomes a task, or `None` if it cannot.
    pub(super) fn seed<T: Output>(
        self,
        call: &GuardedCall<T>,
        exchange: Option<&Exchange>,
        head: &Parts,
        settings: &Settings,
    ) -> Option<Box<TaskSeed>> {
        let CallOrigin { target, arguments, request } = self;
        // The exchange owns the head.
        let head = exchange.map_or(head, |exchange| &exchange.head);
        let (meta, revision) = (&request.params.meta, request.revision);
        TaskSeed::of(call, &SeedParts { target, arguments, meta, revision, head }, exchange, settings)
    }
}
