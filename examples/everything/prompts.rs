//! Prompts: text and images, with and without arguments.

use mcp_stateless::call::NoArguments;
use mcp_stateless::completion::Completing;
use mcp_stateless::prompt::PromptMessage;
use mcp_stateless::protocol::{Content, EmbeddedResource};
use mcp_stateless::{CallContext, Prompt, PromptRegistry, RegistryError, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::media::PNG;

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    /// URI of the resource to embed
    resource_uri: String,
}

#[derive(Deserialize, JsonSchema)]
struct Context {
    context: String,
}

pub(crate) fn all() -> Result<PromptRegistry, RegistryError> {
    PromptRegistry::builder()
        .prompt("test_simple_prompt", "A text", async || "This is a simple prompt for testing.")
        .register(
            Prompt::new(
                "test_prompt_with_arguments",
                "Takes arguments",
                async |Arguments { arg1, arg2 }: Arguments| {
                    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
                },
            )
            .complete("arg1", async |typed: Completing| {
                let cities = ["paris", "park", "party", "prague"].into_iter();
                cities.filter(|city| city.starts_with(&typed.value)).map(String::from).collect::<Vec<_>>()
            }),
        )
        .prompt(
            "test_prompt_with_embedded_resource",
            "Has a resource in it",
            async |Embedded { resource_uri }: Embedded| {
                let text = "Embedded resource content for testing.";
                let resource = EmbeddedResource::text(resource_uri, text).mime_type("text/plain");
                vec![
                    PromptMessage::user(Content::resource(resource)),
                    PromptMessage::user("Please process the embedded resource above."),
                ]
            },
        )
        .prompt("test_prompt_with_image", "Has an image in it", async || {
            vec![
                PromptMessage::user(Content::image(PNG, "image/png")),
                PromptMessage::user("Please analyze the image above."),
            ]
        })
        .prompt(
            "test_input_required_result_prompt",
            "Asks the user for the context",
            async |_: NoArguments, cx: CallContext| {
                let Context { context } =
                    cx.elicit("user_context", "What context should the prompt use?").await?;
                Ok::<_, ToolError>(format!("Consider this: {context}"))
            },
        )
        .build()
}
