//! Work that outlives its request: the extension `io.modelcontextprotocol/tasks`.
//!
//! A manager with [`ManagerBuilder::tasks`](crate::manager::ManagerBuilder::tasks) answers a call with
//! the handle of a task where the client declares the extension, and the [`TaskMode`] of the tool or
//! the slowness of the call says so. The client asks for the result with `tasks/get`, brings answers to
//! questions with `tasks/update`, ends the task with `tasks/cancel`, and hears of it with
//! `subscriptions/listen`. Handlers run as tasks unchanged.
//!
//! What is known of a task lies in a [`TaskStore`], so that any replica answers these requests. A task
//! belongs to the [`Principal`](crate::Principal) of its call; for all others it does not exist. The
//! tasks of callers without a principal are protected by their ids alone, which are 128 random bits.
//!
//! The replica that runs a task holds its lease, and renews it. If the replica dies, another one, which
//! runs [`run_tasks`](crate::StatelessSessionManager::run_tasks), takes the lease: it begins the call
//! again if the tool is idempotent or read-only, and otherwise marks the task as failed.
//!
//! The [guide](../guide/tasks/index.html) describes the whole.

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
pub(crate) use seed::{NoTask, SeedParts, TaskSeed};
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
