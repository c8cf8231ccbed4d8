//! Tools, prompts and resources that ask their client.

use std::sync::{Arc, Mutex};

use mcp_stateless::ask::{AskError, ElicitResult, InputRequired, Question, SamplingRequest};
use mcp_stateless::call::NoArguments;
use mcp_stateless::{
    CallContext, Catalog, Prompt, PromptRegistry, Resource, ResourceRegistry, ToolError, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Era, Post, Probe};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Age {
    age: i64,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "never answered")]
struct Unaskable {
    names: Vec<Vec<String>>,
}

/// What the handlers of [`askers`] have done.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) probe: Probe,
    /// The outcomes of questions that were asked in a separate task.
    pub(crate) outcomes: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    fn note(&self, outcome: impl Into<String>) {
        // Counted as running meanwhile, so that a waiting test checks again.
        let running = self.probe.run();
        self.outcomes.lock().expect("not poisoned").push(outcome.into());
        drop(running);
    }

    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.outcomes.lock().expect("not poisoned").clone()
    }
}

async fn greet(cx: &CallContext) -> Result<String, AskError> {
    let Name { name } = cx.elicit("name", "What is your name?").await?;
    Ok(format!("Hello, {name}"))
}

pub(crate) fn askers() -> (Catalog, Seen) {
    let seen = Seen::default();
    let catalog = Catalog::builder().add(tools(&seen)).add(prompts()).add(resources());
    (catalog.build().expect("no collisions"), seen)
}

fn tools(seen: &Seen) -> ToolRegistry {
    let (hold, swallow, spawn, spawn_and_end) = (seen.clone(), seen.clone(), seen.clone(), seen.clone());
    ToolRegistry::builder()
        .tool("greet", "", async |_: NoArguments, cx: CallContext| greet(&cx).await)
        .tool_with_schema("any", "", json!({"type": "object"}), async |_: Value, cx: CallContext| {
            greet(&cx).await
        })
        .tool("hold", "", move |_: NoArguments, cx: CallContext| {
            let running = hold.probe.run();
            async move {
                let greeting = greet(&cx).await;
                drop(running);
                greeting
            }
        })
        .tool("rounds", "", async |_: NoArguments, cx: CallContext| -> Result<String, AskError> {
            let Name { name } = cx.elicit("name", "Your name?").await?;
            let Age { age } = cx.elicit("age", format!("Your age, {name}?")).await?;
            let poem = cx.sample("poem", &SamplingRequest::new(format!("{name} is {age}"), 50)).await?;
            Ok(format!("{name}, {age}: {}", poem.text()))
        })
        .tool("both", "", async |_: NoArguments, cx: CallContext| -> Result<String, AskError> {
            let (name, roots) = tokio::join!(cx.elicit::<Name>("name", "Your name?"), cx.roots("roots"));
            let roots: Vec<_> = roots?.into_iter().map(|root| root.uri).collect();
            Ok(format!("{} in {}", name?.name, roots.join(" ")))
        })
        .tool("until", "", async |_: NoArguments, cx: CallContext| -> Result<String, AskError> {
            loop {
                let Age { age } = cx.elicit("age", "Your age?").await?;
                if age >= 0 {
                    return Ok(age.to_string());
                }
            }
        })
        .tool("url", "", async |_: NoArguments, cx: CallContext| {
            cx.elicit_url("login", "Log in", "https://example.com/login").await.map(|()| "gone there")
        })
        .tool("sample", "", async |_: NoArguments, cx: CallContext| {
            cx.sample("poem", &SamplingRequest::new("A poem", 50)).await.map(|poem| poem.text())
        })
        .tool("sample_tools", "", async |_: NoArguments, cx: CallContext| {
            let mut request = SamplingRequest::new("A poem", 50);
            request.tools = Some(json!([]));
            cx.sample("poem", &request).await.map(|poem| poem.text())
        })
        .tool("roots", "", async |_: NoArguments, cx: CallContext| {
            cx.roots("roots").await.map(|roots| roots.len().to_string())
        })
        .tool("unaskable", "", async |_: NoArguments, cx: CallContext| {
            cx.elicit::<Unaskable>("names", "All your names?").await.map(|_| "never")
        })
        .tool("progress", "", async |_: NoArguments, cx: CallContext| {
            cx.progress(1.0, None, "").await;
            greet(&cx).await
        })
        .tool("swallow", "", move |_: NoArguments, cx: CallContext| {
            let seen = swallow.clone();
            async move {
                let greeting = greet(&cx).await.unwrap_or_else(|error| format!("swallowed: {error}"));
                seen.note(greeting.clone());
                greeting
            }
        })
        .tool("spawn", "", move |_: NoArguments, cx: CallContext| {
            let seen = spawn.clone();
            async move {
                tokio::spawn(async move {
                    let greeting = greet(&cx).await;
                    seen.note(greeting.unwrap_or_else(|error| error.to_string()));
                });
                std::future::pending::<()>().await;
            }
        })
        .tool("spawn_and_end", "", move |_: NoArguments, cx: CallContext| {
            let seen = spawn_and_end.clone();
            async move {
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    let greeting = greet(&cx).await;
                    seen.note(greeting.unwrap_or_else(|error| error.to_string()));
                });
                "ended"
            }
        })
        .tool("by_hand", "", by_hand)
        .tool("twice_by_hand", "", async |_: NoArguments, _: CallContext| -> Result<(), ToolError> {
            let question = |words| Question::form_of::<Name>(words);
            Err(InputRequired::new().ask("name", question("First?")).ask("name", question("Second?")).into())
        })
        .tool("large", "", async |_: NoArguments, _: CallContext| -> Result<(), ToolError> {
            Err(InputRequired::new().state("x".repeat(5000)).into())
        })
        .build()
        .expect("valid tools")
}

/// Asks twice, and counts the rounds in its own state.
async fn by_hand(_: NoArguments, cx: CallContext) -> Result<String, ToolError> {
    let count = cx.state::<u32>().unwrap_or_default() + 1;
    let ask = |key: &str| {
        let question = Question::form_of::<Name>(format!("The {key}?"));
        InputRequired::new().ask(key, question).state(count)
    };
    let Some(first) = cx.answer::<ElicitResult>("first")? else { return Err(ask("first").into()) };
    let Some(second) = cx.answer::<ElicitResult>("second")? else { return Err(ask("second").into()) };
    Ok(format!("{count}: {} {}", json!(first.content), json!(second.content)))
}

fn prompts() -> PromptRegistry {
    let greet = Prompt::new("greet", "", async |_: NoArguments, cx: CallContext| greet(&cx).await);
    PromptRegistry::builder().register(greet).build().expect("valid prompts")
}

fn resources() -> ResourceRegistry {
    let greet = Resource::new("ask:greet", "", async |_: NoArguments, cx: CallContext| greet(&cx).await);
    ResourceRegistry::builder().register(greet).build().expect("valid resources")
}

/// The three calls that may ask, and where the result of each has its text.
pub(crate) const GREETERS: [(&str, &str, &str, &str); 3] = [
    ("tools/call", "name", "greet", "/content/0/text"),
    ("prompts/get", "name", "greet", "/messages/0/content/text"),
    ("resources/read", "uri", "ask:greet", "/contents/0/text"),
];

/// A request of a client that can be asked anything.
pub(crate) fn request(era: Era, method: &str, mut params: Value) -> Post {
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}});
    era.post(method, params)
}

pub(crate) fn call(era: Era, tool: &str) -> Post {
    request(era, "tools/call", json!({"name": tool, "arguments": {}}))
}

/// The same request again, with answers to the required questions.
pub(crate) fn again(method: &str, mut params: Value, required: &Value, answers: Value) -> Post {
    params["requestState"] = required["requestState"].clone();
    params["inputResponses"] = answers;
    request(Era::Modern, method, params)
}

pub(crate) fn call_again(tool: &str, required: &Value, answers: Value) -> Post {
    again("tools/call", json!({"name": tool, "arguments": {}}), required, answers)
}

/// The user's answer to a form.
pub(crate) fn accept(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// The question for the name.
pub(crate) fn name_question() -> Value {
    json!({
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": "What is your name?",
            "requestedSchema":
                {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        },
    })
}
