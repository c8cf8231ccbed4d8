//! Work that outlives its request: the extension `io.modelcontextprotocol/tasks`.
//!
//! What a server knows of a task lies in a [`TaskStore`], so that any replica answers `tasks/get`,
//! `tasks/update` and `tasks/cancel`, and takes up the work of a replica that has died. A single
//! process uses the [`LocalTaskStore`].

mod local;
mod store;

pub use local::LocalTaskStore;
pub use store::{
    NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStore, TaskStoreError,
};
