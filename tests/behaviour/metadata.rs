//! The metadata of definitions, contents and results: `_meta` and annotations.

use mcp_stateless::completion::Completion;
use mcp_stateless::prompt::{PromptMessage, PromptOutput};
use mcp_stateless::protocol::{
    Annotations, Content, EmbeddedResource, Icon, Implementation, ResourceLink, Role, ToolAnnotations,
};
use mcp_stateless::resource::{ResourceContent, ResourceOutput, ResourceTemplate};
use mcp_stateless::testing::TestClient;
use mcp_stateless::{
    Catalog, Prompt, PromptRegistry, Resource, ResourceRegistry, Tool, ToolOutput, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::site::joined;

const KEY: &str = "com.example/owner";

#[derive(Deserialize, JsonSchema)]
struct Id {
    id: String,
}

async fn contents() -> ToolOutput {
    let link = ResourceLink::new("a:1", "one")
        .title("One")
        .description("The first")
        .mime_type("text/plain")
        .size(3)
        .icon(Icon::new("https://example.com/1.png"))
        .annotations(
            Annotations::new().audience(Role::User).priority(1.0).last_modified("2026-07-28T00:00:00Z"),
        )
        .with_meta(KEY, "link");
    let resource = EmbeddedResource::text("a:1", "one").with_meta(KEY, "resource");
    ToolOutput::text("text")
        .with(Content::text("text").with_meta(KEY, "text"))
        .with(Content::image(b"i", "image/png").with_meta(KEY, "image"))
        .with(Content::audio(b"a", "audio/wav").with_meta(KEY, "audio"))
        .with(Content::resource(resource).with_meta(KEY, "embedded"))
        .with(Content::resource_link(link))
        .with_meta(KEY, "result")
}

fn catalog() -> Catalog {
    let tools = ToolRegistry::builder().register(
        Tool::new("contents", "", contents)
            .annotations(ToolAnnotations::new().open_world(false))
            .with_meta(KEY, 1),
    );
    let greet = async |Id { id }: Id| PromptOutput::new([PromptMessage::user(id)]).with_meta(KEY, 2);
    let complete = async || Completion::new(["a"]).with_meta(KEY, 3);
    let prompts = PromptRegistry::builder()
        .register(Prompt::new("greet", "", greet).complete("id", complete).with_meta(KEY, 4));
    let read = async || ResourceOutput::new([ResourceContent::text("").with_meta(KEY, 5)]).with_meta(KEY, 6);
    let resources = ResourceRegistry::builder()
        .register(Resource::new("a:1", "one", read).with_meta(KEY, 7))
        .register_template(ResourceTemplate::new("b:{id}", "b", async || "").with_meta(KEY, 8));
    joined(tools.build(), prompts.build(), resources.build())
}

#[tokio::test]
async fn everything_that_may_have_meta_carries_it() {
    let meta = |value: &Value| value["_meta"][KEY].clone();
    for client in [TestClient::new(catalog()), TestClient::new(catalog()).legacy()] {
        assert_eq!(meta(&client.list_tools().await[0]), 1);
        assert_eq!(client.list_tools().await[0]["annotations"], json!({"openWorldHint": false}));
        assert_eq!(meta(&client.list_prompts().await[0]), 4);
        assert_eq!(meta(&client.list_resources().await[0]), 7);
        assert_eq!(meta(&client.list_resource_templates().await[0]), 8);
        assert_eq!(meta(client.get_prompt("greet", json!({"id": "x"})).await.result()), 2);
        let read = client.read("a:1").await;
        assert_eq!((meta(read.result()), meta(&read.result()["contents"][0])), (json!(6), json!(5)));
        let completion = json!({
            "ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "id", "value": ""},
        });
        assert_eq!(meta(client.request("completion/complete", completion).await.result()), 3);
        let called = client.call("contents", json!({})).await;
        let blocks = &called.result()["content"];
        let found: Vec<_> = (1..=5).map(|index| meta(&blocks[index])).collect();
        assert_eq!(found, ["text", "image", "audio", "embedded", "link"]);
        assert_eq!(meta(&blocks[4]["resource"]), "resource");
        assert_eq!(meta(called.result()), "result");
        let link = json!({
            "type": "resource_link", "uri": "a:1", "name": "one", "title": "One", "description": "The first",
            "mimeType": "text/plain", "size": 3, "icons": [{"src": "https://example.com/1.png"}],
            "annotations": {"audience": ["user"], "priority": 1.0, "lastModified": "2026-07-28T00:00:00Z"},
            "_meta": {KEY: "link"},
        });
        assert_eq!(blocks[5], link);
        assert_eq!(called.text(), "text\ntext");
    }
}

#[tokio::test]
async fn results_can_be_looked_into() {
    let output = contents().await;
    assert_eq!((output.content().len(), output.content_text().as_str()), (6, "text\ntext"));
    assert_eq!(output.meta(KEY), Some(&json!("result")));
    assert!(!output.is_error() && ToolOutput::error("no").is_error());
    assert!(output.structured::<Value>().is_none());
    let structured = ToolOutput::empty().with_structured(&json!({"n": 1})).expect("JSON");
    assert_eq!(structured.structured::<Value>().expect("some").expect("JSON"), json!({"n": 1}));
    assert!(structured.structured::<Vec<u8>>().expect("some").is_err());
    let output = PromptOutput::new([PromptMessage::assistant("Hello")]);
    let message = &output.messages()[0];
    assert_eq!((message.role(), message.content().as_text()), (Role::Assistant, Some("Hello")));
    let output = ResourceOutput::new([ResourceContent::text("a"), ResourceContent::bytes(b"b")]);
    let [text, bytes] = output.contents() else { panic!("two parts") };
    assert_eq!((text.as_text(), text.to_bytes()), (Some("a"), None));
    assert_eq!((bytes.as_text(), bytes.to_bytes()), (None, Some(b"b".to_vec())));
    assert_eq!(Completion::new(["a", "b"]).values(), ["a", "b"]);
}

#[test]
fn optional_parts_are_set_one_after_the_other() {
    let server = Implementation::new("tracker", "1.0.0")
        .title("Tracker")
        .description("Issues")
        .website_url("https://example.com")
        .icon(Icon::new("https://example.com/1.png"));
    let expected = json!({
        "name": "tracker", "version": "1.0.0", "title": "Tracker", "description": "Issues",
        "websiteUrl": "https://example.com", "icons": [{"src": "https://example.com/1.png"}],
    });
    assert_eq!(json!(server), expected);
    let hints = ToolAnnotations::new().title("t").read_only(false).destructive(true).idempotent(true);
    let expected =
        json!({"title": "t", "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true});
    assert_eq!(json!(hints), expected);
}

#[tokio::test]
async fn results_have_every_optional_member_of_the_schema() {
    let chart =
        async || ToolOutput::empty().with(Content::image(b"i", "image/png").with_meta(KEY, "chart")).failed();
    let tools = ToolRegistry::builder().tool("chart", "", chart).build().expect("valid tools");
    let called = TestClient::new(tools).call("chart", json!({})).await;
    assert!(called.is_error());
    let says = async |Id { id }: Id| PromptOutput::new([PromptMessage::new(Role::Assistant, id)]);
    let complete = async || Completion::new(["a"]).has_more();
    let says = Prompt::new("says", "", says).complete("id", complete);
    let prompts = PromptRegistry::builder().register(says).build().expect("valid prompts");
    let client = TestClient::new(prompts);
    let got = client.get_prompt("says", json!({"id": ""})).await;
    assert_eq!(got.result()["messages"][0]["role"], "assistant");
    let completion =
        json!({"ref": {"type": "ref/prompt", "name": "says"}, "argument": {"name": "id", "value": ""}});
    let completed = client.request("completion/complete", completion).await;
    assert_eq!(completed.result()["completion"], json!({"values": ["a"], "hasMore": true}));
}
