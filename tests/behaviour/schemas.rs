//! Arguments and results of tools, checked against schemas.

use std::collections::BTreeMap;

use mcp_stateless::call::{NoArguments, Valid, Validate};
use mcp_stateless::protocol::ErrorCode;
use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{Catalog, Json, PromptRegistry, ResourceRegistry, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// A tool whose handler accepts any arguments.
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
            (json!({}), &["missing field `dish`"][..]),
            (json!({"dish": ""}), &["`dish`", "1 character"]),
            (json!({"dish": "soup", "guests": 21}), &["`guests`", "20"]),
            (json!({"dish": "soup", "guests": "two"}), &["`guests`", "integer"]),
            (json!({"dish": "soup", "extras": ["salt", "7"]}), &["`extras[1]`", "^[a-z]+$"]),
            (json!({"dish": "soup", "tip": 1}), &["'tip'", "unexpected"]),
            // All faults are reported, so that a model can correct them in one attempt.
            (json!({"dish": "", "guests": 0}), &["`dish`", "`guests`"]),
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
    assert_eq!(text.matches("`extras[").count(), 5, "{text}");
}

#[tokio::test]
async fn what_is_told_of_a_fault_does_not_grow_with_what_was_sent() {
    let site = site(ToolRegistry::builder().register(untyped("order").check_arguments()));
    let arguments = json!({"dish": "soup", "guests": "x".repeat(100_000), "extras": "x".repeat(100_000)});
    let answer = site.send(Post::call(Era::Modern, "order", arguments)).await;
    assert!(answer.body.len() < 5000, "{} bytes", answer.body.len());
    assert!(answer.tool_text().contains("`guests`"));
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
        // The result of a tool that failed is not checked.
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
        assert!(answer.tool_text().contains("`dish`"), "{answer:?}");
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
        // Patterns of this kind may take exponential time.
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

#[derive(Debug, Deserialize, JsonSchema)]
struct Order {
    #[schemars(length(min = 1))]
    dish: String,
    size: Size,
    extras: Vec<Valid<Extra>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Size {
    /// For one.
    Small,
    /// For two.
    Large,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Extra {
    #[schemars(range(max = 3))]
    spoons: u32,
}

impl Validate for Extra {
    fn validate(&self) -> Result<(), impl std::fmt::Display> {
        if self.spoons == 0 { Err("an extra has at least one spoon") } else { Ok(()) }
    }
}

#[tokio::test]
async fn what_does_not_fit_a_type_is_told_before_what_does_not_fit_its_schema_and_in_the_same_words() {
    let tools = ToolRegistry::builder()
        .check_schemas()
        .tool("order", "", async |order: Order| format!("{} {:?} {:?}", order.dish, order.size, order.extras))
        .register(Tool::with_schema("untyped", "", schema_of_order(), async |order: Value| order.to_string()))
        .build();
    let client = TestClient::new(tools.expect("valid tools"));
    for (arguments, typed, untyped) in [
        // The schema is only checked if the arguments fit the type.
        (
            json!({"dish": "", "size": "large", "extras": "none"}),
            "at `extras`: invalid type: string \"none\", expected a sequence",
            "at `extras`: \"none\" is not of type \"array\"",
        ),
        (
            json!({"dish": "", "size": "large", "extras": []}),
            "at `dish`: \"\" is shorter than 1 character",
            "",
        ),
        (json!({"size": "small", "extras": []}), "missing field `dish`", "missing field `dish`"),
        (
            json!({"dish": "soup", "size": "huge", "extras": []}),
            "at `size`: unknown variant `huge`, expected `small` or `large`",
            "at `size`: unknown value \"huge\", expected one of \"small\", \"large\"",
        ),
        (
            json!({"dish": "soup", "size": "small", "extras": [{"spoons": 1}, {}]}),
            "at `extras[1]`: missing field `spoons`",
            "at `extras[1]`: missing field `spoons`",
        ),
        (
            json!({"dish": "soup", "size": "small", "extras": [{"spoons": 9}]}),
            "at `extras[0].spoons`: 9 is greater than the maximum of 3",
            "",
        ),
        (
            json!({"dish": "soup", "size": "small", "extras": [{"spoons": 1}, {"spoons": 0}]}),
            "at `extras[1]`: an extra has at least one spoon",
            "0",
        ),
    ] {
        for (tool, told) in [("order", typed), ("untyped", untyped)] {
            let reply = client.call(tool, arguments.clone()).await;
            assert!(reply.text().contains(told), "{tool} {arguments}: {}", reply.text());
        }
    }
    let arguments = json!({"dish": "soup", "size": "small", "extras": [{"spoons": 1.0}]});
    assert!(!client.call("order", arguments).await.is_error());
}

fn schema_of_order() -> Value {
    serde_json::to_value(schemars::schema_for!(Order)).expect("a schema")
}

#[tokio::test]
async fn every_value_of_an_enum_is_listed() {
    let values: Vec<String> = (0..200).map(|number| format!("value-{number}")).collect();
    let schema = json!({"type": "object", "properties": {"it": {"enum": values}}});
    let tools = ToolRegistry::builder()
        .register(Tool::with_schema("choose", "", schema, async |_: Value| "").check_arguments())
        .build();
    let client = TestClient::new(tools.expect("valid tools"));
    let told = client.call("choose", json!({"it": "x".repeat(10_000)})).await.text();
    assert!(values.iter().all(|value| told.contains(value)) && told.len() < 5000, "{told}");
}

#[tokio::test]
async fn what_a_tool_gets_that_takes_nothing_is_ignored_even_where_schemas_are_checked() {
    let tools = ToolRegistry::builder()
        .check_schemas()
        .tool("nothing", "", async || "nothing")
        .tool("none", "", async |_: NoArguments| "none")
        .build();
    let client = TestClient::new(tools.expect("valid tools"));
    for tool in ["nothing", "none"] {
        assert_eq!(client.call(tool, json!({"more": 1})).await.text(), tool);
    }
}

#[derive(Deserialize, JsonSchema)]
struct Range {
    from: u32,
    to: u32,
}

impl Validate for Range {
    fn validate(&self) -> Result<(), impl std::fmt::Display> {
        if self.from <= self.to { Ok(()) } else { Err(format!("{} is greater than {}", self.from, self.to)) }
    }
}

#[tokio::test]
async fn arguments_that_say_themselves_what_is_wrong_are_told_like_those_that_do_not_fit() {
    let count = async |Valid(Range { from, to }): Valid<Range>| (to - from).to_string();
    let tools = ToolRegistry::builder().tool("count", "", count).build().expect("valid tools");
    let prompts = PromptRegistry::builder().prompt("count", "", count).build().expect("valid prompts");
    let resources = ResourceRegistry::builder()
        .register_template(ResourceTemplate::new("count:{from}-{to}", "count", count))
        .build();
    let catalog = Catalog::builder().add(tools).add(prompts).add(resources.expect("valid resources")).build();
    let client = TestClient::new(catalog.expect("no collisions"));
    let told = "Invalid arguments: 5 is greater than 3";
    assert_eq!(client.call("count", json!({"from": 3, "to": 5})).await.text(), "2");
    let refused = client.call("count", json!({"from": 5, "to": 3})).await;
    assert!(refused.is_error());
    assert_eq!(refused.text(), told);
    assert_eq!(client.get_prompt("count", json!({"from": "3", "to": "5"})).await.text(), "2");
    let refused = client.get_prompt("count", json!({"from": "5", "to": "3"})).await;
    assert_eq!(refused.error(), (ErrorCode::INVALID_PARAMS, told));
    assert_eq!(client.read("count:3-5").await.text(), "2");
    assert_eq!(client.read("count:5-3").await.error().1, told);
    let schema = &client.list_tools().await[0]["inputSchema"];
    assert_eq!(schema["required"], json!(["from", "to"]));
    assert_eq!(client.list_prompts().await[0]["arguments"][0]["name"], "from");
}
