//! Settings for tasks, and the takeover of tasks from replicas that have died.

use std::future::{Ready, ready};

use http::request::Parts;

use super::builder::ManagerBuilder;
use super::handle::StatelessSessionManager;
use crate::registry::Registry;
use crate::request::Refusal;
use crate::task::{self, Tasks};

/// Settings for tasks (feature `tasks`).
impl ManagerBuilder {
    /// Enables and declares the extension `io.modelcontextprotocol/tasks` of 2026-07-28. See the module
    /// [`task`](crate::task).
    pub fn tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = Some(tasks);
        self
    }
}

/// Tasks (feature `tasks`).
impl StatelessSessionManager {
    /// Takes over tasks with the tools of `registry`, until the server shuts down. Each replica that
    /// [shares a store](Tasks::shared) must run it next to its server:
    ///
    /// ```
    /// use mcp_stateless::task::Tasks;
    /// use mcp_stateless::{StatelessSessionManager, ToolRegistry};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tools = ToolRegistry::builder().build()?;
    /// let manager = StatelessSessionManager::builder("reports", "1.0.0").tasks(Tasks::in_process()).build()?;
    /// tokio::spawn({
    ///     let (manager, tools) = (manager.clone(), tools.clone());
    ///     async move { manager.run_tasks(tools).await }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Three times in each [`lease`](Tasks::lease), it looks for tasks whose lease has expired, because the
    /// replica that ran them has died or was shut down. If the tool is idempotent or read-only, the call is
    /// restarted with the answers to its questions. Any other task is marked as failed, with a message that
    /// gives the reason. If a handler has returned [`InputRequired`](crate::ask::InputRequired) in a task,
    /// its call is also restarted when the answers have arrived, so even a server with a single process may
    /// need `run_tasks`.
    ///
    /// A restarted call has the headers of its request except credentials, its
    /// [`Principal`](crate::Principal), and with the feature `auth` its [`Access`](crate::auth::Access). Its
    /// rights are not checked again. It does not have the extensions that the host inserted; to restore
    /// them, use [`run_tasks_with`](Self::run_tasks_with).
    pub async fn run_tasks<R: Registry>(&self, registry: R) {
        let registry = &registry;
        task::run_tasks(self.settings(), move |_: &mut Parts| -> Ready<Result<&R, Refusal>> {
            ready(Ok(registry))
        })
        .await;
    }

    /// Takes over tasks with the registry that `choose` returns for the head of each call, as
    /// [`handle_with`](Self::handle_with) does. `choose` may insert extensions into the head for handlers.
    /// If it refuses, the task fails.
    pub async fn run_tasks_with<C, R, F>(&self, choose: C)
    where
        C: Fn(&mut Parts) -> F,
        F: Future<Output = Result<R, Refusal>>,
        R: Registry,
    {
        task::run_tasks(self.settings(), choose).await;
    }
}
