//! Tools of every kind, except those that ask.

use std::time::Duration;

use mcp_stateless::call::NoArguments;
use mcp_stateless::protocol::{ClientCapability, Content, EmbeddedResource, LogLevel};
use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::{CallContext, Tool, ToolError, ToolRegistry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::media::{PNG, WAV};

#[derive(Deserialize, JsonSchema)]
struct Query {
    /// Where to run it.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

pub(crate) fn builder() -> ToolRegistryBuilder {
    ToolRegistry::builder()
        .tool(
            "test_simple_text",
            "Answers with a text",
            async || "This is a simple text response for testing.",
        )
        .tool("test_image_content", "Answers with an image", async || Content::image(PNG, "image/png"))
        .tool("test_audio_content", "Answers with a sound", async || Content::audio(WAV, "audio/wav"))
        .tool("test_embedded_resource", "Answers with a resource", async || {
            let text = "This is an embedded resource content.";
            Content::resource(
                EmbeddedResource::text("test://embedded-resource", text).mime_type("text/plain"),
            )
        })
        .tool("test_multiple_content_types", "Answers with a text, an image and a resource", async || {
            let json = r#"{"test":"data","value":123}"#;
            let resource = EmbeddedResource::text("test://mixed-content-resource", json);
            vec![
                Content::text("Multiple content types test:"),
                Content::image(PNG, "image/png"),
                Content::resource(resource.mime_type("application/json")),
            ]
        })
        .tool("test_error_handling", "Fails", async || -> Result<(), ToolError> {
            Err(ToolError::new("This tool intentionally returns an error for testing"))
        })
        .tool("test_tool_with_progress", "Reports progress", report_progress)
        .tool("test_tool_with_logging", "Sends log messages", send_logs)
        .tool("test_logging_tool", "Sends log messages", send_logs)
        .register(
            Tool::new("test_missing_capability", "Needs a client that can sample", async || "sampled")
                .requires(ClientCapability::Sampling),
        )
        .tool("test_x_mcp_header", "Repeats an argument in a header", async |query: Query| query.region)
        .register(
            Tool::with_schema(
                "json_schema_2020_12_tool",
                "Tool with JSON Schema 2020-12 features",
                person_schema(),
                async |person: Value| person.to_string(),
            )
            .check_arguments(),
        )
}

async fn report_progress(_: NoArguments, cx: CallContext) -> &'static str {
    for progress in [0.0, 50.0, 100.0] {
        cx.progress(progress, Some(100.0), "").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    "Reported progress three times."
}

async fn send_logs(_: NoArguments, cx: CallContext) -> &'static str {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        cx.log(LogLevel::Info, message).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    "Sent three log messages."
}

/// Uses much of the vocabulary of JSON Schema; clients receive it unchanged.
fn person_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"}
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false
    })
}
