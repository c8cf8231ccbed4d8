//! Tasks: calls that outlive their request, on one replica and on several.

mod becoming;
mod bounds;
mod ending;
mod flaky;
mod handing_over;
mod listening;
pub(crate) mod logged;
mod observed;
mod owners;
mod questions;
mod races;
mod resuming;
mod store;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::LocalBus;
use mcp_stateless::manager::ManagerBuilder;
use mcp_stateless::task::{LocalTaskStore, TaskMode, TaskStore, Tasks};
use mcp_stateless::testing::TestClient;
use mcp_stateless::{CallContext, StatelessSessionManager, Tool, ToolError, ToolRegistry};
use serde_json::{Value, json};

use crate::support::Probe;

/// What the replicas of a server share.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) store: Arc<dyn TaskStore>,
    pub(crate) bus: LocalBus,
    pub(crate) probe: Probe,
}

/// One of them.
pub(crate) struct Replica {
    pub(crate) manager: StatelessSessionManager,
    pub(crate) tools: ToolRegistry,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self::with_store(Arc::new(LocalTaskStore::new()))
    }

    pub(crate) fn with_store(store: Arc<dyn TaskStore>) -> Self {
        Self { store, bus: LocalBus::default(), probe: Probe::default() }
    }

    /// Starts a replica.
    pub(crate) fn replica(&self) -> Replica {
        self.replica_with(|tasks| tasks, |builder| builder)
    }

    pub(crate) fn replica_with(
        &self,
        set_tasks: impl FnOnce(Tasks) -> Tasks,
        set: impl FnOnce(ManagerBuilder) -> ManagerBuilder,
    ) -> Replica {
        let tasks = Tasks::shared(Arc::clone(&self.store), Arc::new(self.bus.clone()));
        let builder = StatelessSessionManager::builder("fleet", "0.0.1").state_keys(StateKeys::new([7; 32]));
        let manager = set(builder.tasks(set_tasks(tasks))).build().expect("valid settings");
        Replica { manager, tools: tools(&self.probe) }
    }
}

/// A replica that can be cut off from the store, so that to the others it is dead.
pub(crate) struct Doomed {
    pub(crate) replica: Replica,
    pub(crate) way: Arc<flaky::Flaky>,
    pub(crate) probe: Probe,
}

impl Fleet {
    /// Starts a replica that will be cut off. Its tools have their own probe.
    pub(crate) fn doomed(&self) -> Doomed {
        let way = flaky::Flaky::over(Arc::clone(&self.store));
        let fleet = Self { store: Arc::clone(&way) as _, bus: self.bus.clone(), probe: Probe::default() };
        Doomed { replica: fleet.replica(), way, probe: fleet.probe }
    }
}

impl Doomed {
    /// Begins a task, waits until it runs or asks, and cuts the replica off. Returns the id.
    pub(crate) async fn begin(&self, tool: &str, arguments: Value) -> String {
        let client = self.replica.client();
        let id = client.call(tool, arguments).await.task_id().to_owned();
        while self.probe.running() == 0 && client.task(&id).await["status"] == "working" {
            tokio::task::yield_now().await;
        }
        self.way.set_down(true);
        id
    }
}

impl Replica {
    /// A client that declares that it can ask about tasks.
    pub(crate) fn client(&self) -> TestClient<ToolRegistry> {
        TestClient::with_manager(self.manager.clone(), self.tools.clone()).tasks()
    }

    /// Takes up tasks in the background.
    pub(crate) fn run_tasks(&self) {
        let (manager, tools) = (self.manager.clone(), self.tools.clone());
        tokio::spawn(async move { manager.run_tasks(tools).await });
    }
}

/// A replica alone, with settings.
pub(crate) fn alone(set: impl FnOnce(Tasks) -> Tasks) -> Replica {
    Fleet::new().replica_with(set, |builder| builder)
}

/// The status of a task, and its message.
pub(crate) fn status(task: &Value) -> (&str, Option<&str>) {
    (task["status"].as_str().expect("a status"), task["statusMessage"].as_str())
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Seconds {
    seconds: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Confirm {
    really: bool,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

fn tools(probe: &Probe) -> ToolRegistry {
    let slow = move |probe: Probe| {
        move |Seconds { seconds }: Seconds| {
            let probe = probe.clone();
            async move {
                let running = probe.run();
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                drop(running);
                probe.finish();
                format!("after {seconds} s")
            }
        }
    };
    let prepared = {
        let probe = probe.clone();
        move |Seconds { seconds }: Seconds, cx: CallContext| {
            let probe = probe.clone();
            async move {
                let _running = probe.run();
                cx.progress(1.0, None, "preparing").await;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let Name { name } = cx.elicit("name", "Who?").await?;
                Ok::<_, ToolError>(format!("Hello, {name}"))
            }
        }
    };
    let named = |name: &str, mode: TaskMode| {
        Tool::new(name, "Take some time", slow(probe.clone())).task_mode(mode).time_limit(None)
    };
    let preferred = |tool: Tool| tool.task_mode(TaskMode::Preferred);
    ToolRegistry::builder()
        .register(named("never", TaskMode::Never))
        .register(named("slow", TaskMode::WhenSlow))
        .register(named("preferred", TaskMode::Preferred))
        .register(named("required", TaskMode::Required))
        .register(named("idempotent", TaskMode::Required).idempotent())
        .register(preferred(Tool::new("report", "Report progress", report)))
        .register(preferred(Tool::new("confirm", "Ask once", confirm).idempotent()))
        .register(preferred(Tool::new("both", "Ask twice at once", both)))
        .register(preferred(Tool::new("prepared", "Ask after some time", prepared).idempotent()))
        .register(preferred(Tool::new("patient", "Ask until there is an answer", patient).idempotent()))
        .register(preferred(Tool::new("returned", "Return a question", returned)))
        .register(preferred(Tool::new("insist", "Return a question until the answer is Ada", insist)))
        .register(preferred(Tool::new("fail", "Fail", fail)))
        .register(preferred(Tool::new("refuse", "Fail with a JSON-RPC error", refuse)))
        .register(preferred(Tool::new("panic", "Panic", async || -> String { panic!("a secret") })))
        .tool("decide", "Ask, then become a task", decide)
        .tool("streamed", "Report at once, then take a minute", streamed)
        .build()
        .expect("valid tools")
}

async fn report(cx: CallContext) -> &'static str {
    for (progress, total, message) in [(1.0, None, "starting"), (2.0, Some(4.0), ""), (3.0, None, "")] {
        cx.progress(progress, total, message).await;
        cx.log(mcp_stateless::protocol::LogLevel::Error, "not sent").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    "reported"
}

async fn confirm(cx: CallContext) -> Result<String, ToolError> {
    let Confirm { really } = cx.elicit("confirm", "Really?").await?;
    Ok(format!("really: {really}"))
}

async fn both(cx: CallContext) -> Result<String, ToolError> {
    let (name, roots) = tokio::join!(cx.elicit::<Name>("name", "Who?"), cx.roots("roots"));
    Ok(format!("{} in {} roots", name?.name, roots?.len()))
}

/// Asks again when there is no answer within a minute.
async fn patient(cx: CallContext) -> Result<String, ToolError> {
    for attempt in 1..=3 {
        let asking = cx.elicit::<Name>("name", "Who?");
        if let Ok(name) = tokio::time::timeout(Duration::from_secs(60), asking).await {
            return Ok(format!("{} at attempt {attempt}", name?.name));
        }
    }
    Ok("nobody".to_owned())
}

async fn returned(cx: CallContext) -> Result<String, ToolError> {
    use mcp_stateless::ask::{ElicitResult, InputRequired, Question};
    tokio::task::yield_now().await;
    let Some(answer) = cx.answer::<ElicitResult>("name")? else {
        let question = Question::form_of::<Name>("Who?");
        return Err(InputRequired::new().ask("name", question).state("asked").into());
    };
    let name = answer.content.unwrap_or_default()["name"].clone();
    Ok(format!("{name}, {:?}", cx.state::<String>()))
}

async fn insist(cx: CallContext) -> Result<String, ToolError> {
    use mcp_stateless::ask::{ElicitResult, InputRequired, Question};
    tokio::task::yield_now().await;
    let answer = cx.answer::<ElicitResult>("name")?;
    if answer.and_then(|answer| answer.content).is_some_and(|content| content["name"] == "Ada") {
        return Ok("It is Ada".to_owned());
    }
    Err(InputRequired::new().ask("name", Question::form_of::<Name>("Who?")).into())
}

async fn fail() -> Result<(), ToolError> {
    Err(ToolError::new("out of luck"))
}

async fn refuse() -> Result<(), ToolError> {
    let error =
        mcp_stateless::protocol::RpcError::invalid_params("not like this").with_data(json!({"why": 7}));
    Err(error.into())
}

async fn decide(cx: CallContext) -> Result<String, ToolError> {
    let Name { name } = cx.elicit("name", "Who?").await?;
    assert!(!cx.is_task());
    cx.become_task().await?;
    assert!(cx.is_task());
    tokio::time::sleep(Duration::from_secs(10)).await;
    Ok(format!("Hello, {name}"))
}

async fn streamed(cx: CallContext) -> &'static str {
    cx.progress(1.0, None, "streamed").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    "streamed to the end"
}
