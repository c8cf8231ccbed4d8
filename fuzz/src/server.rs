//! A server with one of everything that a client can request.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use mcp_stateless::completion::Completing;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{
    CallContext, Catalog, Prompt, PromptRegistry, ResourceRegistry, StatelessSessionManager, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

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

pub(crate) struct Server {
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
        Self {
            manager: StatelessSessionManager::builder("fuzz", "1.0.0").build().expect("valid settings"),
            catalog: catalog.build().expect("a valid catalog"),
        }
    }

    pub(crate) fn send(&self, request: Request<Full<Bytes>>) -> Response<Vec<u8>> {
        crate::send(&self.manager, &self.catalog, request)
    }
}
