//! The client in memory, for tests of hosts.

use std::num::NonZeroUsize;

use http::{HeaderName, HeaderValue};
use mcp_stateless::ask::{AskError, SamplingRequest};
use mcp_stateless::call::NoArguments;
use mcp_stateless::protocol::{ErrorCode, LogLevel, Revision};
use mcp_stateless::testing::{self, TestClient};
use mcp_stateless::{
    CallContext, Catalog, Json, Principal, PromptRegistry, ResourceRegistry, StatelessSessionManager,
    ToolError, ToolRegistry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
struct Sum {
    sum: i64,
}

fn catalog() -> Catalog {
    let tools = ToolRegistry::builder()
        .tool("add", "Add", async |Add { a, b }: Add| Json(Sum { sum: a + b }))
        .tool("fail", "Fail", async || Err::<(), _>(ToolError::new("out of luck")))
        .tool("steps", "Report", async |_: NoArguments, cx: CallContext| {
            cx.progress(1.0, Some(2.0), "half").await;
            cx.log(LogLevel::Info, "working").await;
            cx.progress(2.0, Some(2.0), "").await;
            "done"
        })
        .tool("whoami", "Tell who calls", async |_: NoArguments, cx: CallContext| {
            let principal = cx.extensions().get::<Principal>().map(ToString::to_string);
            let agent =
                cx.headers().get("user-agent").map(|agent| agent.to_str().unwrap_or_default().to_owned());
            format!("{principal:?} {agent:?}")
        })
        .tool("greet", "Ask", async |_: NoArguments, cx: CallContext| -> Result<String, AskError> {
            let Name { name } = cx.elicit("name", "Your name?").await?;
            let poem = cx.sample("poem", &SamplingRequest::new(format!("For {name}"), 50)).await?;
            Ok(format!("{name}: {}", poem.text()))
        });
    let prompts = PromptRegistry::builder()
        .prompt("greet", "Greet somebody", async |Name { name }: Name| format!("Greet {name}."));
    let resources = ResourceRegistry::builder().resource("memo://today", "today", async || "Buy milk.");
    let catalog = Catalog::builder()
        .add(tools.page_size(NonZeroUsize::MIN).build().expect("valid tools"))
        .add(prompts.build().expect("valid prompts"))
        .add(resources.build().expect("valid resources"));
    catalog.build().expect("no collisions")
}

fn clients() -> [TestClient<Catalog>; 2] {
    [TestClient::new(catalog()), TestClient::new(catalog()).legacy()]
}

#[tokio::test]
async fn a_test_of_one_tool_looks_into_its_result() {
    for client in clients() {
        let sum = client.call("add", json!({"a": 10, "b": 20})).await;
        assert_eq!((sum.structured::<Sum>(), sum.text().as_str()), (Sum { sum: 30 }, r#"{"sum":30}"#));
        assert!(!sum.is_error());
        let failed = client.call("fail", json!({})).await;
        assert!(failed.is_error() && failed.text().contains("out of luck"), "{failed:?}");
        assert_eq!(client.call("nobody", json!({})).await.error().0, ErrorCode::INVALID_PARAMS);
    }
}

#[tokio::test]
async fn lists_are_whole_and_prompts_and_resources_are_read() {
    for client in clients() {
        assert_eq!(client.list_tools().await.len(), 5);
        assert_eq!(client.list_prompts().await.len(), 1);
        assert_eq!(client.list_resources().await.len(), 1);
        assert!(client.list_resource_templates().await.is_empty());
        assert_eq!(client.get_prompt("greet", json!({"name": "Ada"})).await.text(), "Greet Ada.");
        assert_eq!(client.read("memo://today").await.text(), "Buy milk.");
    }
}

#[tokio::test]
async fn a_client_asks_what_the_server_can_do() {
    for client in clients() {
        let about = client.about().await;
        assert!(about["capabilities"]["tools"].is_object(), "{about}");
        assert!(about["capabilities"].get("completions").is_none(), "{about}");
    }
}

#[tokio::test]
async fn progress_and_log_messages_are_collected() {
    for client in clients() {
        let reply = client.call("steps", json!({})).await;
        let steps: Vec<_> = reply.progress.iter().map(|it| (it.progress, it.message.as_deref())).collect();
        assert_eq!(steps, [(1.0, Some("half")), (2.0, None)]);
        assert_eq!(reply.logs.len(), 1);
        assert_eq!((reply.logs[0]["data"].as_str(), reply.text().as_str()), (Some("working"), "done"));
    }
    let quiet = TestClient::new(catalog()).log_level(None);
    assert!(quiet.call("steps", json!({})).await.logs.is_empty());
}

#[tokio::test]
async fn questions_are_answered_in_both_eras() {
    for client in clients() {
        let client = client.answer(|question| match &*question.method {
            "elicitation/create" => {
                assert_eq!(question.message(), "Your name?");
                json!({"action": "accept", "content": {"name": "Ada"}})
            }
            _ => json!({"role": "assistant", "content": {"type": "text", "text": "A poem"}, "model": "m"}),
        });
        let reply = client.call("greet", json!({})).await;
        assert_eq!((reply.text().as_str(), reply.questions), ("Ada: A poem", 2));
    }
}

#[tokio::test]
#[should_panic(expected = "the test has no answer")]
async fn a_question_without_an_answer_fails_the_test() {
    TestClient::new(catalog()).call("greet", json!({})).await;
}

#[tokio::test]
async fn a_client_calls_as_somebody() {
    for client in clients() {
        let client =
            client.principal("ada").header(http::header::USER_AGENT, "probe".parse().expect("a value"));
        let reply = client.call("whoami", json!({})).await;
        assert_eq!(reply.text(), r#"Some("ada") Some("probe")"#);
    }
}

#[tokio::test]
async fn changes_are_heard() {
    use mcp_stateless::changes::Changes;
    use mcp_stateless::registry::Live;

    let tools =
        |text: &'static str| ToolRegistry::builder().tool("t", text, async || "").build().expect("a tool");
    let live = Live::new(tools("before"), Changes::in_process());
    let client = TestClient::new(live.clone());
    let mut listener = client.listen(json!({"toolsListChanged": true})).await;
    assert_eq!(listener.acknowledged(), &json!({"toolsListChanged": true}));
    live.replace(tools("after"));
    let heard = listener.next().await.expect("a change");
    assert_eq!(heard["method"], "notifications/tools/list_changed");
    assert_eq!(client.list_tools().await[0]["description"], "after");
}

#[tokio::test]
async fn the_hosts_own_manager_is_tested_too() {
    let manager =
        StatelessSessionManager::builder("own", "1.2.3").only(mcp_stateless::protocol::Era::Modern).build();
    let manager = manager.expect("valid settings");
    let client = TestClient::with_manager(manager.clone(), catalog());
    let about = client.request("server/discover", json!({})).await;
    assert_eq!(about.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "own");
    let old = TestClient::with_manager(manager, catalog()).revision(Revision::V2025_06_18);
    assert_eq!(old.request("tools/list", json!({})).await.error().0, ErrorCode::UNSUPPORTED_PROTOCOL_VERSION);
}

#[derive(Deserialize, JsonSchema)]
struct Region {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[tokio::test]
async fn arguments_are_repeated_in_headers_where_the_tool_wants_it() {
    let tools = || {
        let tools = ToolRegistry::builder().tool("go", "", async |Region { region }: Region| region);
        tools.build().expect("valid tools")
    };
    for client in [TestClient::new(tools()), TestClient::new(tools()).legacy()] {
        assert_eq!(client.call("go", json!({"region": "é"})).await.text(), "é");
    }
    let header = (HeaderName::from_static("mcp-param-region"), HeaderValue::from_static("other"));
    let client = TestClient::new(tools()).header(header.0, header.1);
    assert_eq!(client.call("go", json!({"region": "é"})).await.error().0, ErrorCode::HEADER_MISMATCH);
}

#[derive(Clone)]
struct User(&'static str);

async fn greet(cx: CallContext) -> Result<String, AskError> {
    let User(user) = cx.extensions().get().cloned().unwrap_or(User("nobody"));
    cx.progress(1.0, Some(2.0), "asking").await;
    cx.log(LogLevel::Info, json!({"user": user})).await;
    let Name { name } = cx.elicit("name", "Your name?").await?;
    cx.progress(2.0, Some(2.0), "").await;
    Ok(format!("{user}: {name} {:?}", cx.state::<u32>()))
}

#[tokio::test]
async fn a_handler_is_tested_as_the_function_it_is() {
    let test = testing::context().extension(User("ada")).accept("name", json!({"name": "Ada"})).state(7);
    assert_eq!(greet(test.cx()).await.expect("an answer"), "ada: Ada Some(7)");
    let progress = test.progress();
    let steps: Vec<_> = progress.iter().map(|it| (it.progress, it.message.as_deref())).collect();
    assert_eq!(steps, [(1.0, Some("asking")), (2.0, None)]);
    assert_eq!(test.logs(), [json!({"level": "info", "data": {"user": "ada"}})]);
}

#[tokio::test]
async fn a_question_without_an_answer_ends_a_handler_in_a_test() {
    for revision in [Revision::V2026_07_28, Revision::V2025_11_25] {
        let test = testing::context().revision(revision);
        assert!(matches!(greet(test.cx()).await, Err(AskError::Ended)));
        assert_eq!(test.progress().len(), 1);
    }
    let cannot_ask = testing::context().capabilities(json!({})).accept("name", json!({"name": "Ada"}));
    assert!(matches!(greet(cannot_ask.cx()).await, Err(AskError::Rpc(_))));
}

#[tokio::test]
async fn a_test_context_takes_all_that_a_handler_sends() {
    let test = testing::context();
    let cx = test.cx();
    for number in 0..10_000 {
        cx.progress(f64::from(number), None, "a message of some length, so that there is much of it").await;
    }
    assert_eq!(test.progress().len(), 10_000);
}
