//! Tasks: their settings, and taking up those of replicas that have died.

use std::future::{Ready, ready};

use http::request::Parts;

use super::builder::ManagerBuilder;
use super::handle::StatelessSessionManager;
use crate::registry::Registry;
use crate::request::Refusal;
use crate::task::{self, Tasks};

/// Settings for tasks (feature `tasks`).
impl ManagerBuilder {
    /// Serves tasks (the extension `io.modelcontextprotocol/tasks`, beside 2026-07-28), and declares
    /// the extension. See the module [`task`](crate::task).
    pub fn tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = Some(tasks);
        self
    }
}

/// Tasks (feature `tasks`).
impl StatelessSessionManager {
    /// Takes up tasks with the tools of `registry`, until the server shuts down. Each replica that
    /// [shares a store](Tasks::shared) has to run it, beside its server:
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
    /// Looks three times in each [`lease`](Tasks::lease) for tasks whose lease is over, because the
    /// replica that ran them has died, or has shut down. The call of a tool that is idempotent or
    /// read-only begins again, with the answers to its questions; any other task is marked as failed,
    /// with a message that says why. It also begins calls again whose handler has returned
    /// [`InputRequired`](crate::ask::InputRequired) within a task, once the answers are there, which a
    /// server of one process needs it for as well.
    ///
    /// A call that begins again has the headers of its request except credentials, its
    /// [`Principal`](crate::Principal), and with the feature `auth` its
    /// [`Access`](crate::auth::Access); its rights were checked before. What the host has put into the
    /// extensions is not there: see [`run_tasks_with`](Self::run_tasks_with).
    pub async fn run_tasks<R: Registry>(&self, registry: R) {
        let registry = &registry;
        task::run_tasks(self.settings(), move |_: &mut Parts| -> Ready<Result<&R, Refusal>> {
            ready(Ok(registry))
        })
        .await;
    }

    /// Takes up tasks with the registry that `choose` returns for the head of each call, as
    /// [`handle_with`](Self::handle_with) does, and which may put into its extensions what handlers
    /// want to find there. If it refuses, the task fails.
    pub async fn run_tasks_with<C, R, F>(&self, choose: C)
    where
        C: Fn(&mut Parts) -> F,
        F: Future<Output = Result<R, Refusal>>,
        R: Registry,
    {
        task::run_tasks(self.settings(), choose).await;
    }
}
