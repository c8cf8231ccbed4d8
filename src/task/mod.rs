//! Work that outlives its request: the extension `io.modelcontextprotocol/tasks`.
//!
//! A manager with [`ManagerBuilder::tasks`](crate::manager::ManagerBuilder::tasks) can return the
//! handle of a task from a call, if the client declares the extension. The [`TaskMode`] of the tool and
//! the duration of the call decide when. The client polls the result with `tasks/get`, sends answers to
//! questions with `tasks/update`, ends the task with `tasks/cancel`, and receives notifications with
//! `subscriptions/listen`. Handlers run as tasks without changes.
//!
//! Tasks are stored in a [`TaskStore`], so any replica can answer these requests. A task belongs to the
//! [`Principal`](crate::Principal) of its call; for all other callers it does not exist. The tasks of
//! callers without a principal are only protected by their ids, which are 128 random bits.
//!
//! The replica that runs a task holds its lease and renews it. If the replica dies, another one that
//! runs [`run_tasks`](crate::StatelessSessionManager::run_tasks) takes the lease. It restarts the call
//! if the tool is idempotent or read-only, and otherwise marks the task as failed.
//!
//! See also the [guide](../guide/tasks/index.html).

mod config;
mod data;
mod keeper;
mod local;
mod requests;
mod resume;
mod saved;
mod seal;
mod seed;
mod store;
mod time;
mod watch;
mod work;

pub(crate) use config::TaskSettings;
pub use config::Tasks;
pub(crate) use data::Acknowledged;
pub use local::LocalTaskStore;
pub(crate) use requests::{TaskFault, TaskRequest};
pub(crate) use resume::run_tasks;
pub(crate) use saved::SeedParts;
pub(crate) use seed::{NoTask, TaskSeed};
pub use store::{
    NewTask, StoreFuture, TakenTask, TaskAnswer, TaskRecord, TaskState, TaskStep, TaskStore, TaskStoreError,
};
pub(crate) use watch::TaskWatch;

pub use crate::call::TaskMode;
use crate::changes::News;

/// Whether news of a task, which carry its version, say something that a reader of `version` does not
/// know.
fn is_newer(news: &News, version: u64) -> bool {
    match news {
        News::Missed => true,
        News::Message(message) => {
            let told = std::str::from_utf8(message).ok().and_then(|text| text.parse::<u64>().ok());
            told.is_none_or(|told| told > version)
        }
    }
}
