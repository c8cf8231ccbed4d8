//! A server with one of everything that a client can request.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use mcp_stateless::ask::AskError;
use mcp_stateless::call::NoArguments;
use mcp_stateless::completion::Completing;
use mcp_stateless::manager::Body;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::task::{TaskMode, Tasks};
use mcp_stateless::{
    CallContext, Catalog, Prompt, PromptRegistry, ResourceRegistry, StatelessSessionManager, Tool,
    ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::everything::Everything;

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    to: u8,
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: String,
}

/// How long a reply is read. Only streams of changes last, and the clock is the runtime's own.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a task is kept.
const KEPT: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    /// With a clock that stands still while there is something to do.
    runtime: Runtime,
    manager: StatelessSessionManager,
    catalog: Catalog,
}

impl Server {
    pub(crate) fn shared() -> &'static Self {
        static SERVER: LazyLock<Server> = LazyLock::new(Server::new);
        &SERVER
    }

    fn new() -> Self {
        let tools = ToolRegistry::builder()
            .tool("add", "Add two integers", async |Add { a, b }: Add| a.wrapping_add(b))
            .tool_with_schema(
                "everything",
                "Say what came",
                json!({"type": "object"}),
                async |everything: Everything| format!("{everything:?}"),
            )
            .tool("count", "Count with progress", async |Count { to, region }: Count, cx: CallContext| {
                for made in 1..=to {
                    cx.progress(made.into(), Some(to.into()), &region).await;
                }
                region
            })
            .register(
                Tool::new("ask", "Ask, as a task", async |_: NoArguments, cx: CallContext| {
                    let Greet { name } = cx.elicit("name", "What is your name?").await?;
                    Ok::<_, AskError>(name)
                })
                .task_mode(TaskMode::Preferred),
            )
            .build();
        let greet =
            Prompt::new("greet", "Greet somebody", async |Greet { name }: Greet| format!("Greet {name}."))
                .complete("name", async |typed: Completing| {
                    vec![format!("{}y", typed.value), "Ada".to_owned()]
                });
        let prompts = PromptRegistry::builder().register(greet).build();
        let page =
            ResourceTemplate::new("book://{+chapter}/{name}", "page", async |Greet { name }: Greet| name);
        let resources = ResourceRegistry::builder()
            .resource("memo://today", "today", async || "Buy milk.")
            .register_template(page)
            .build();
        let catalog = Catalog::builder()
            .add(tools.expect("valid tools"))
            .add(prompts.expect("valid prompts"))
            .add(resources.expect("valid resources"));
        let tasks = Tasks::in_process().time_limit(KEPT).keep_results_for(Duration::ZERO);
        Self {
            runtime: Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime"),
            manager: StatelessSessionManager::builder("fuzz", "1.0.0")
                .tasks(tasks)
                .build()
                .expect("valid settings"),
            catalog: catalog.build().expect("a valid catalog"),
        }
    }

    /// Sends a request and reads the reply, to its end or for some time.
    pub(crate) fn send(&self, request: Request<Full<Bytes>>) -> Response<Vec<u8>> {
        self.runtime.block_on(async {
            let (head, mut body) = self.manager.handle(request, &self.catalog).await.into_parts();
            let mut bytes = Vec::new();
            let _ = timeout(LIMIT, read(&mut body, &mut bytes)).await;
            Response::from_parts(head, bytes)
        })
    }

    /// Begins a task that asks for a name. Returns its id.
    pub(crate) fn begin_task(&self) -> String {
        let call = self.modern("tools/call", "ask", json!({"name": "ask"}));
        let id = call["result"]["taskId"].as_str().expect("a task").to_owned();
        let task = self.get_task(&id);
        assert_eq!(task["result"]["status"], "input_required", "{task}");
        id
    }

    /// Asks about a task that goes on until it waits.
    pub(crate) fn get_task(&self, id: &str) -> Value {
        self.settle();
        self.modern("tasks/get", id, json!({"taskId": id}))
    }

    /// Ends a task, and lets the time go by for which it is kept.
    pub(crate) fn end_task(&self, id: &str) {
        self.modern("tasks/cancel", id, json!({"taskId": id}));
        self.settle();
        self.runtime.block_on(async { tokio::time::sleep(KEPT).await });
        assert_eq!(self.get_task(id)["error"]["code"], -32602);
    }

    /// Lets tasks go on until they wait.
    fn settle(&self) {
        self.runtime.block_on(async {
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        });
    }

    fn modern(&self, method: &str, name: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {
                "elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}},
            },
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let headers = [
            ("host", "localhost"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
            ("mcp-name", name),
        ];
        let request = headers
            .into_iter()
            .fold(Request::post("/mcp"), |request, (name, value)| request.header(name, value));
        let reply = self.send(request.body(Full::from(body.to_string())).expect("a request"));
        serde_json::from_slice(reply.body()).expect("JSON")
    }
}

async fn read(body: &mut Body, bytes: &mut Vec<u8>) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
}
