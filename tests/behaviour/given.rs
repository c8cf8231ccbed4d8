//! Results, lists and questions that are already JSON, such as those of another server.

use mcp_stateless::call::{Call, CallError, CallFuture, NoArguments};
use mcp_stateless::protocol::{Era, ErrorCode, Revision, RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer, Filtered, Item, ListRequest, Page};
use mcp_stateless::resource::ResourceOutput;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{Registry, Tool, ToolOutput, ToolRegistry};
use serde_json::json;
use serde_json::value::RawValue;

const RESULT: &str = r#"{"content": [{"type":"hologram", "z": 1.0}], "structuredContent": [1],
    "isError": true, "vendor/a": {"b":1}, "ttlMs": 5, "resultType": "other", "_meta": {"vendor/c": 1.50}}"#;
const RESOURCE: &str = r#"{"contents": [], "ttlMs": 60000, "cacheScope": "public"}"#;

/// Passes on JSON text unchanged.
struct Given;

impl Registry for Given {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS.with(ServerCapabilities::RESOURCES)
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        if request.cursor.is_some() {
            return Answer::ready(Err(RpcError::unknown_cursor()));
        }
        let tool = r#"{"name": "t", "inputSchema": {"type": "object"}, "vendor": 1.0}"#;
        let tool = RawValue::from_string(tool.to_owned()).expect("JSON");
        let page = Page::from_json([&*tool]).map_err(|_| RpcError::internal());
        Answer::ready(page.map(|page| page.with_missing("attic", "the door is locked")))
    }

    fn call_tool(&self, _: Call<'_>) -> CallFuture<ToolOutput> {
        CallFuture::ready(ToolOutput::from_json(RESULT).map_err(|_| CallError::from(RpcError::internal())))
    }

    fn read_resource(&self, _: Call<'_>) -> CallFuture<ResourceOutput> {
        let output = ResourceOutput::from_json(RESOURCE);
        CallFuture::ready(output.map_err(|_| CallError::from(RpcError::internal())))
    }
}

#[tokio::test]
async fn a_result_that_is_json_already_keeps_its_members_but_for_those_of_a_revision() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let reply = TestClient::new(Given).revision(revision).call("t", json!({})).await;
        let result = reply.result();
        assert!(reply.is_error());
        assert_eq!(result["content"], json!([{"type": "hologram", "z": 1.0}]));
        assert_eq!(result["vendor/a"], json!({"b": 1}));
        assert_eq!(result["_meta"]["vendor/c"].as_f64(), Some(1.5));
        let is_modern = revision.era() == Era::Modern;
        assert_eq!(result.get("structuredContent").is_some(), is_modern, "{result}");
        assert_eq!(result.get("resultType").cloned(), is_modern.then(|| json!("complete")));
    }
}

/// A client of a tool whose result is this JSON, after a change.
fn tool(json: &'static str, change: fn(ToolOutput) -> ToolOutput) -> TestClient<ToolRegistry> {
    let handler = move |_: NoArguments| std::future::ready(ToolOutput::from_json(json).map(change));
    let tools = ToolRegistry::builder().register(Tool::new("t", "A tool", handler));
    TestClient::new(tools.build().expect("a valid tool"))
}

#[tokio::test]
async fn a_result_that_is_json_already_can_be_marked_as_failed() {
    for json in [r#"{"content":[],"vendor":{"a":1.50}}"#, r#"{"isError": false, "vendor":{"a":1.50}}"#] {
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            let reply = tool(json, ToolOutput::failed).revision(revision).call("t", json!({})).await;
            assert_eq!(reply.result()["isError"], true, "{json}");
            assert_eq!(reply.result()["vendor"]["a"].as_f64(), Some(1.5));
        }
    }
}

#[tokio::test]
async fn an_empty_meta_is_left_out_for_a_legacy_client() {
    const NAME: &str = "io.modelcontextprotocol/serverInfo";
    let named = r#"{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"upstream"}}}"#;
    for json in [named, r#"{"content":[],"_meta":{}}"#, r#"{"content":[],"_meta":null}"#] {
        let reply = tool(json, |output| output).legacy().call("t", json!({})).await;
        assert_eq!(reply.result().get("_meta"), None, "{json}");
        let reply = tool(json, |output| output).call("t", json!({})).await;
        let name = &reply.result()["_meta"][NAME]["name"];
        assert!(name.is_string() && name != "upstream", "{json}: {reply:?}");
    }
    let own = |output: ToolOutput| output.with_meta(NAME, json!({"name": "own"}));
    let handler = move || std::future::ready(own(ToolOutput::empty()));
    let tools = ToolRegistry::builder().tool("t", "A tool", handler).build().expect("a valid tool");
    assert_eq!(TestClient::new(tools).legacy().call("t", json!({})).await.result().get("_meta"), None);
}

#[tokio::test]
async fn what_is_shown_in_part_is_not_cached_for_everybody_even_if_it_is_json_already() {
    let read = async |client: TestClient<_>| client.read("a:b").await.result()["cacheScope"].clone();
    assert_eq!(TestClient::new(Given).read("a:b").await.result()["cacheScope"], "public");
    let filtered = Filtered::new(Given, |_: Item<'_>, _: &http::request::Parts| true);
    assert_eq!(read(TestClient::new(filtered)).await, "private");
}

#[tokio::test]
async fn a_list_that_is_json_already_is_passed_on_and_says_what_it_lacks() {
    let client = TestClient::new(Given);
    let reply = client.request("tools/list", json!({})).await;
    assert_eq!(reply.result()["tools"][0]["vendor"], json!(1.0));
    let missing = &reply.result()["_meta"]["mcp-stateless/missing"];
    assert_eq!(*missing, json!([{"name": "attic", "reason": "the door is locked"}]));
    let reply = client.request("tools/list", json!({"cursor": "x"})).await;
    assert_eq!(reply.error().0, ErrorCode::INVALID_PARAMS);
}

#[tokio::test]
async fn structured_content_that_is_json_already_is_checked_as_well() {
    for (structured, fits) in [(r#"{"n": 1}"#, true), (r#"{"n": "one"}"#, false)] {
        let output = format!(r#"{{"content": [], "structuredContent": {structured}}}"#);
        let tool = Tool::new("t", "A tool", move |_: NoArguments| {
            std::future::ready(ToolOutput::from_json(output.clone()))
        });
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        let tools = ToolRegistry::builder().register(tool.with_output_schema(schema).check_output());
        let reply = TestClient::new(tools.build().expect("valid tools")).call("t", json!({})).await;
        assert_eq!(reply.message.get("result").is_some(), fits, "{structured}: {reply:?}");
    }
}
