//! What goes into tools and comes out of them, checked against schemas.

use std::collections::BTreeMap;

use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{Json, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::site::Site;
use crate::support::{Era, Post};

fn order() -> Value {
    json!({
        "type": "object",
        "properties": {
            "dish": {"type": "string", "minLength": 1},
            "guests": {"$ref": "#/$defs/guests"},
            "extras": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
        },
        "required": ["dish"],
        "additionalProperties": false,
        "$defs": {"guests": {"type": "integer", "minimum": 1, "maximum": 20}},
    })
}

/// Tools whose handlers take any arguments.
fn untyped(name: &str) -> Tool {
    Tool::with_schema(name, "", order(), async |order: Value| order.to_string())
}

fn site(builder: ToolRegistryBuilder) -> Site<ToolRegistry> {
    Site::new(builder.build().expect("valid tools"))
}

#[tokio::test]
async fn arguments_that_do_not_fit_the_schema_are_told_by_path_and_expectation() {
    let site = site(ToolRegistry::builder().register(untyped("order").check_arguments()));
    for era in Era::BOTH {
        for (arguments, words) in [
            (json!({}), &["\"dish\"", "required"][..]),
            (json!({"dish": ""}), &["`/dish`", "1 character"]),
            (json!({"dish": "soup", "guests": 21}), &["`/guests`", "20"]),
            (json!({"dish": "soup", "guests": "two"}), &["`/guests`", "integer"]),
            (json!({"dish": "soup", "extras": ["salt", "7"]}), &["`/extras/1`", "^[a-z]+$"]),
            (json!({"dish": "soup", "tip": 1}), &["'tip'", "unexpected"]),
            // Each of several faults, so that one try mends them all.
            (json!({"dish": "", "guests": 0}), &["`/dish`", "`/guests`"]),
        ] {
            let answer = site.send(Post::call(era, "order", arguments)).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["result"]["isError"]), (200, &json!(true)));
            let text = answer.tool_text();
            assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        }
        let arguments = json!({"dish": "soup", "extras": ["salt"], "guests": 2});
        let answer = site.send(Post::call(era, "order", arguments.clone())).await;
        assert_eq!(serde_json::from_str::<Value>(&answer.tool_text()).expect("JSON"), arguments);
    }
}

#[tokio::test]
async fn of_many_faults_a_few_are_told() {
    let site = site(ToolRegistry::builder().register(untyped("order").check_arguments()));
    let extras: Vec<i64> = (0..1000).collect();
    let arguments = json!({"dish": "soup", "extras": extras});
    let text = site.send(Post::call(Era::Modern, "order", arguments)).await.tool_text();
    assert_eq!(text.matches("`/extras/").count(), 5, "{text}");
}

#[tokio::test]
async fn what_is_told_of_a_fault_does_not_grow_with_what_was_sent() {
    let site = site(ToolRegistry::builder().register(untyped("order").check_arguments()));
    let arguments = json!({"dish": "soup", "guests": "x".repeat(100_000), "extras": "x".repeat(100_000)});
    let answer = site.send(Post::call(Era::Modern, "order", arguments)).await;
    assert!(answer.body.len() < 5000, "{} bytes", answer.body.len());
    assert!(answer.tool_text().contains("`/guests`"));
}

#[tokio::test]
async fn nothing_is_checked_unless_it_is_asked_for() {
    let site = site(ToolRegistry::builder().register(untyped("order")));
    for era in Era::BOTH {
        let answer = site.send(Post::call(era, "order", json!({"dish": 7}))).await;
        assert_eq!(answer.tool_text(), r#"{"dish":7}"#);
    }
}

fn result_of(name: &str) -> Tool {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let handler = async |result: Value| match result["fail"].as_str() {
        Some(message) => Err(ToolError::new(message)),
        None => Ok(Json(result)),
    };
    Tool::with_schema(name, "", json!({"type": "object"}), handler).with_output_schema(schema)
}

#[tokio::test]
async fn structured_content_that_does_not_fit_its_schema_is_the_servers_fault() {
    let one = site(ToolRegistry::builder().register(result_of("result").check_output()));
    let all = site(ToolRegistry::builder().register(result_of("result")).check_schemas());
    for (site, era) in [(&one, Era::Modern), (&one, Era::Legacy), (&all, Era::Modern)] {
        let answer = site.send(Post::call(era, "result", json!({"n": 7}))).await;
        assert_eq!(answer.json()["result"]["structuredContent"], json!({"n": 7}));
        assert_eq!(answer.tool_text(), r#"{"n":7}"#);
        let answer = site.send(Post::call(era, "result", json!({"n": "a secret"}))).await;
        assert_eq!(answer.error(), (200, -32603));
        assert!(!answer.text().contains("secret"), "{answer:?}");
        // A tool that failed has nothing to show that could fit.
        let answer = site.send(Post::call(era, "result", json!({"fail": "out of luck"}))).await;
        assert_eq!(answer.tool_text(), "out of luck");
    }
}

#[tokio::test]
async fn content_that_the_schema_promises_must_be_there() {
    let silent = Tool::with_schema("silent", "", json!({"type": "object"}), async |_: Value| "no structure")
        .with_output_schema(json!({"type": "object"}))
        .check_output();
    let site = site(ToolRegistry::builder().register(silent));
    let answer = site.send(Post::call(Era::Modern, "silent", json!({}))).await;
    assert_eq!(answer.error(), (200, -32603));
}

#[derive(JsonSchema, Serialize)]
struct Found {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Found {
    fn new() -> Self {
        Self { name: "n".to_owned(), note: None }
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Outcome {
    Done { at: u32 },
    Nothing,
}

#[tokio::test]
async fn the_output_schema_is_that_of_what_the_handler_returns() {
    let tools = ToolRegistry::builder()
        .tool("plain", "", async || Json(Found::new()))
        .tool("fallible", "", async || Ok::<_, ToolError>(Json(Found::new())))
        .tool("list", "", async || Json(vec![Found::new()]))
        .tool("either", "", async || Json([Outcome::Done { at: 1 }, Outcome::Nothing].into_iter().nth(1)))
        .tool("outcome", "", async || Json(Outcome::Done { at: 1 }))
        .tool("anything", "", async || Json(json!({"a": 1})))
        .tool("text", "", async || "text")
        .tool_with_schema("untyped", "", json!({"type": "object"}), async || Json(Found::new()));
    let client = TestClient::new(tools.check_schemas().build().expect("valid tools"));
    let schemas: BTreeMap<String, Value> = client
        .list_tools()
        .await
        .into_iter()
        .filter_map(|mut tool| {
            let schema = tool.get_mut("outputSchema")?.take();
            Some((tool["name"].as_str()?.to_owned(), schema))
        })
        .collect();
    assert_eq!(
        schemas.keys().collect::<Vec<_>>(),
        ["either", "fallible", "list", "outcome", "plain"],
        "{schemas:?}"
    );
    let expected = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "note": {"type": ["string", "null"]}},
    });
    assert_eq!([&schemas["plain"], &schemas["fallible"]], [&expected, &expected]);
    assert_eq!((&schemas["list"]["type"], &schemas["outcome"]["type"]), (&json!("array"), &json!("object")));
    assert_eq!(schemas["either"].get("type"), None, "it may be null");
    for tool in ["plain", "fallible", "list", "either", "outcome", "anything", "text"] {
        let reply = client.call(tool, json!({})).await;
        assert!(!reply.is_error(), "what the handlers return fits: {reply:?}");
    }
}

#[test]
fn an_output_schema_that_differs_from_the_return_type_is_refused() {
    let tool = || Tool::new("found", "", async || Json(Found::new()));
    let other = tool().with_output_schema(json!({"type": "object", "required": ["other"]}));
    let error = ToolRegistry::builder().register(other).build().expect_err("they differ");
    assert!(error.to_string().contains("differs from that of what the handler returns"), "{error}");
    assert!(ToolRegistry::builder().register(tool().output_schema::<Found>()).build().is_ok());
}

#[tokio::test]
async fn a_registry_checks_all_its_tools_when_it_is_told_to() {
    let builder = ToolRegistry::builder().register(untyped("a")).check_schemas().register(untyped("b"));
    let site = site(builder);
    for name in ["a", "b"] {
        let answer = site.send(Post::call(Era::Modern, name, json!({"dish": 7}))).await;
        assert!(answer.tool_text().contains("`/dish`"), "{answer:?}");
    }
}

#[test]
fn a_schema_that_refers_to_elsewhere_is_refused_when_the_registry_is_built() {
    for (schema, word) in [
        (json!({"type": "object", "$ref": "http://127.0.0.1:1/schema.json"}), "127.0.0.1"),
        (json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/s"}}}), "example.com"),
        (json!({"type": "object", "$ref": "file:///etc/passwd"}), "passwd"),
        (json!({"type": "object", "$ref": "#/$defs/nothing"}), "nothing"),
        (json!({"type": "object", "properties": {"a": {"type": "colour"}}}), "colour"),
        // Patterns of this kind may take for ever.
        (json!({"type": "object", "properties": {"a": {"pattern": "(a)\\1"}}}), "regex"),
        (json!({"type": "object", "properties": {"a": {"pattern": "^(?=a)"}}}), "regex"),
    ] {
        let tool = |checked: bool| {
            let tool = Tool::with_schema("elsewhere", "", &schema, async |_: Value| "");
            ToolRegistry::builder().register(if checked { tool.check_arguments() } else { tool }).build()
        };
        assert!(tool(false).is_ok(), "{schema}");
        let error = tool(true).expect_err("not to be checked").to_string();
        assert!(error.contains("elsewhere") && error.contains(word), "{error}");

        let tool = Tool::with_schema("elsewhere", "", json!({"type": "object"}), async |_: Value| "");
        let error = ToolRegistry::builder().register(tool.with_output_schema(&schema).check_output()).build();
        assert!(error.expect_err("not to be checked").to_string().contains("output"));
    }
}

#[tokio::test]
async fn definitions_are_passed_on_exactly_as_given() {
    let input = r##"{ "type":"object", "zebra": 1.50, "$defs":{"b":{},"a":{"const":12345678901234567890123}},"x-é":"\u0041", "$ref":"#/$defs/b" }"##;
    let output = r#"{"type":"object" ,"required":[ ]}"#;
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let tool = Tool::with_schema("exact", "", raw(input), async |_: Value| Json(json!({})))
        .with_output_schema(raw(output))
        .check_arguments()
        .check_output();
    let site = site(ToolRegistry::builder().register(tool));
    for era in Era::BOTH {
        let list = site.send(era.post("tools/list", json!({}))).await;
        let definition = format!(r#""inputSchema":{input},"outputSchema":{output}"#);
        assert!(list.text().contains(&definition), "{}", list.text());
    }
}
