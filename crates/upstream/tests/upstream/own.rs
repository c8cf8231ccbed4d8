//! This crate's own server as an upstream.

use axum::Router;
use mcp_stateless::changes::Changes;
use mcp_stateless::registry::Live;
use mcp_stateless::{StatelessSessionManager, Tool, ToolRegistry};
use mcp_stateless_upstream::Upstream;
use serde_json::{Value, json};

use super::cast::eventually;
use super::gateway::{Era, Gateway, Params};

fn tools(names: &[&str]) -> ToolRegistry {
    let schema = json!({
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    });
    let builder = names.iter().fold(ToolRegistry::builder(), |builder, name| {
        let region = async |arguments: Value| arguments["region"].to_string();
        builder.register(Tool::with_schema(*name, "Says where", schema.clone(), region))
    });
    builder.build().expect("valid tools")
}

/// A server of the modern era whose tools can change.
async fn start() -> (Live<ToolRegistry>, Gateway) {
    let live = Live::new(tools(&["first"]), Changes::in_process());
    let manager = StatelessSessionManager::builder("own", "1.0.0").build().expect("valid settings");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().route_service("/mcp", manager.service(live.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (live, Gateway::new(Upstream::http(format!("http://{address}/mcp")).name("own")))
}

async fn names(gateway: &Gateway) -> Vec<String> {
    let tools = gateway.client(Era::Legacy, "ada").ask("tools/list", Params(json!({}))).await;
    let tools = tools["result"]["tools"].as_array().expect("tools").iter();
    tools.map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn arguments_are_repeated_in_headers_where_a_modern_upstream_wants_it() {
    let (_live, gateway) = start().await;
    let client = gateway.client(Era::Legacy, "ada");
    for region in ["us-west1", "Übersee"] {
        let said = client.tool("first", json!({"region": region})).await;
        assert_eq!(said, json!(region).to_string());
    }
}

#[tokio::test]
async fn a_change_of_an_upstreams_list_reaches_those_who_listen() {
    let (live, gateway) = start().await;
    assert_eq!(names(&gateway).await, ["first"]);
    let notifications = json!({"notifications": {"toolsListChanged": true}});
    let mut stream =
        gateway.client(Era::Modern, "ada").open("subscriptions/listen", Params(notifications)).await;
    let acknowledged = stream.next().await.expect("an acknowledgement");
    assert_eq!(acknowledged["params"]["notifications"]["toolsListChanged"], true, "{acknowledged}");
    // The gateway's subscription may not have reached the upstream yet.
    let changed = async {
        loop {
            let message = stream.next().await.expect("a message");
            if message["method"] == "notifications/tools/list_changed" {
                return;
            }
        }
    };
    let changing = eventually("never", async || {
        live.replace(tools(&["first", "second"]));
        false
    });
    tokio::select! { () = changed => {}, () = changing => {} }
    assert_eq!(names(&gateway).await, ["first", "second"]);
}
