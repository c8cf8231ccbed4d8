//! Tools that ask the client: its user, its model, its file system.

use mcp_stateless::ask::{AskError, ElicitAction, ElicitResult, Question, SamplingRequest};
use mcp_stateless::call::NoArguments;
use mcp_stateless::protocol::ClientCapability;
use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::{CallContext, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Ask {
    /// What to ask.
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Sample {
    /// What to ask the model.
    prompt: String,
}

#[derive(Deserialize, JsonSchema, Serialize)]
struct Contact {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Colour {
    color: String,
}

#[derive(Deserialize, JsonSchema)]
struct Sure {
    ok: bool,
}

#[derive(Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Active,
    Inactive,
    Pending,
}

/// Fields with defaults.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(default)]
struct Person {
    name: String,
    age: u32,
    score: f64,
    status: Status,
    verified: bool,
}

impl Default for Person {
    fn default() -> Self {
        Self { name: "John Doe".to_owned(), age: 30, score: 95.5, status: Status::Active, verified: true }
    }
}

pub(crate) fn add_to(tools: ToolRegistryBuilder) -> ToolRegistryBuilder {
    tools
        .tool(
            "test_sampling",
            "Asks the client's model",
            async |Sample { prompt }: Sample, cx: CallContext| {
                let result = cx.sample("sample", &SamplingRequest::new(prompt, 100)).await?;
                Ok::<_, ToolError>(format!("LLM response: {}", result.text()))
            },
        )
        .tool("test_elicitation", "Asks the user", async |Ask { message }: Ask, cx: CallContext| {
            let answer: ElicitResult = cx.ask("contact", Question::form_of::<Contact>(message)).await?;
            Ok::<_, ToolError>(format!("User response: {}", described(&answer)))
        })
        .tool(
            "test_elicitation_sep1034_defaults",
            "Asks with defaults",
            async |_: NoArguments, cx: CallContext| {
                let question = Question::form_of::<Person>("Please check these");
                elicited(cx.ask("person", question).await)
            },
        )
        .tool(
            "test_elicitation_sep1330_enums",
            "Asks with choices",
            async |_: NoArguments, cx: CallContext| {
                elicited(cx.ask("choices", Question::form("Please choose", choices())).await)
            },
        )
        .tool(
            "test_streaming_elicitation",
            "Asks the user in the midst of it",
            async |_: NoArguments, cx: CallContext| {
                cx.progress(1.0, Some(2.0), "asking").await;
                let Sure { ok } = cx.elicit("sure", "Go on?").await?;
                Ok::<_, ToolError>(format!("ok: {ok}"))
            },
        )
        .tool(
            "test_input_required_result_elicitation",
            "Asks the user",
            async |_: NoArguments, cx: CallContext| {
                let Name { name } = cx.elicit("user_name", "What is your name?").await?;
                Ok::<_, ToolError>(format!("Hello, {name}!"))
            },
        )
        .tool(
            "test_input_required_result_sampling",
            "Asks the model",
            async |_: NoArguments, cx: CallContext| {
                let question = SamplingRequest::new("What is the capital of France?", 100);
                Ok::<_, ToolError>(cx.sample("capital_question", &question).await?.text())
            },
        )
        .tool(
            "test_input_required_result_list_roots",
            "Asks for the roots",
            async |_: NoArguments, cx: CallContext| {
                let roots = cx.roots("client_roots").await?;
                Ok::<_, ToolError>(roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join("\n"))
            },
        )
        .tool(
            "test_input_required_result_request_state",
            "Asks, with a state",
            async |_: NoArguments, cx: CallContext| {
                let Sure { ok } = cx.elicit("confirm", "Please confirm").await?;
                Ok::<_, ToolError>(format!("state-ok: {ok}"))
            },
        )
        .tool(
            "test_input_required_result_tampered_state",
            "Asks, with a state",
            async |_: NoArguments, cx: CallContext| {
                let Sure { ok } = cx.elicit("confirm", "Please confirm").await?;
                Ok::<_, ToolError>(format!("state-ok: {ok}"))
            },
        )
        .tool("test_input_required_result_multiple_inputs", "Asks for all at once", ask_for_all)
        .tool(
            "test_input_required_result_multi_round",
            "Asks twice",
            async |_: NoArguments, cx: CallContext| {
                let Name { name } = cx.elicit("step1", "Step 1: What is your name?").await?;
                let Colour { color } = cx.elicit("step2", "Step 2: What is your favorite color?").await?;
                Ok::<_, ToolError>(format!("{name} likes {color}"))
            },
        )
        .tool("test_input_required_result_capabilities", "Asks what the client can", ask_what_the_client_can)
}

fn described(ElicitResult { action, content, .. }: &ElicitResult) -> String {
    let action = match action {
        ElicitAction::Accept => "accept",
        ElicitAction::Decline => "decline",
        ElicitAction::Cancel => "cancel",
        _ => "something new",
    };
    format!("action={action}, content={}", json!(content))
}

fn elicited(answer: Result<ElicitResult, AskError>) -> Result<String, ToolError> {
    Ok(format!("Elicitation completed: {}", described(&answer?)))
}

/// Every kind of choice that a form can have.
fn choices() -> Value {
    let plain = json!(["option1", "option2", "option3"]);
    let titled = |word: &str| {
        json!([
            {"const": "value1", "title": format!("First {word}")},
            {"const": "value2", "title": format!("Second {word}")},
            {"const": "value3", "title": format!("Third {word}")},
        ])
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": plain},
            "titledSingle": {"type": "string", "oneOf": titled("Option")},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}},
        },
    })
}

/// Questions that are awaited together are sent together.
async fn ask_for_all(_: NoArguments, cx: CallContext) -> Result<String, ToolError> {
    let greeting = SamplingRequest::new("Generate a greeting", 50);
    let (name, greeting, roots) = tokio::join!(
        cx.elicit::<Name>("user_name", "What is your name?"),
        cx.sample("greeting", &greeting),
        cx.roots("client_roots"),
    );
    Ok(format!("{} {} ({} roots)", greeting?.text(), name?.name, roots?.len()))
}

async fn ask_what_the_client_can(_: NoArguments, cx: CallContext) -> Result<String, ToolError> {
    let mut said = Vec::new();
    if cx.supports(ClientCapability::Elicitation) {
        said.push(cx.elicit::<Name>("user_name", "What is your name?").await?.name);
    }
    if cx.supports(ClientCapability::Sampling) {
        said.push(cx.sample("greeting", &SamplingRequest::new("Generate a greeting", 50)).await?.text());
    }
    Ok(said.join(", "))
}
