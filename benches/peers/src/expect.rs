//! Checks the content of replies. The order of members and optional members may differ.

use serde_json::{Map, Value, json};

use crate::{
    catalogue::{self, SERVER_NAME, ToolSet},
    era::Era,
    load::Reply,
};

pub(crate) struct Expectation {
    era: Era,
    pub(crate) content: Content,
}

/// The content of a result.
pub(crate) enum Content {
    Text(String),
    Tools(ToolSet),
    Initialize,
    Discover,
    /// Progress notifications up to a number, then a text.
    Countdown {
        token: &'static str,
        from: u64,
    },
}

type Checked<T = ()> = Result<T, String>;

impl Expectation {
    pub(crate) fn new(era: Era, content: Content) -> Self {
        Self { era, content }
    }

    pub(crate) fn check(&self, reply: &Reply) -> Checked {
        let mut messages = messages(reply)?;
        let response = messages.pop().ok_or("no message")?;
        self.check_notifications(&messages)?;
        let mut result = result(response)?;
        if self.era == Era::Modern {
            equal("resultType", result.remove("resultType"), &json!("complete"))?;
        }
        let meta = result.remove("_meta");
        // A gateway removes it for clients of the legacy era.
        if let Some(server) = meta.as_ref().and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo")) {
            equal("name in _meta", server.get("name").cloned(), &json!(SERVER_NAME))?;
        }
        match &self.content {
            Content::Text(text) => call(result, text),
            Content::Countdown { .. } => call(result, "done"),
            Content::Tools(tools) => self.list(result, *tools),
            Content::Initialize => initialize(&result),
            Content::Discover => self.discover(&mut result),
        }
    }

    fn check_notifications(&self, notifications: &[Value]) -> Checked {
        let Content::Countdown { token, from } = self.content else {
            return equal("notifications", Some(json!(notifications)), &json!([]));
        };
        equal("count", Some(json!(notifications.len())), &json!(from))?;
        for (progress, notification) in (1_u64..).zip(notifications) {
            let params = &notification["params"];
            let said = json!({
                "jsonrpc": notification["jsonrpc"],
                "method": notification["method"],
                "progressToken": params["progressToken"],
                "progress": params["progress"].as_f64(),
                "total": params["total"].as_f64(),
            });
            let expected = json!({
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "progressToken": token,
                "progress": json!(progress).as_f64(),
                "total": json!(from).as_f64(),
            });
            equal("notification", Some(said), &expected)?;
        }
        Ok(())
    }

    fn list(&self, mut result: Map<String, Value>, set: ToolSet) -> Checked {
        self.caching(&mut result)?;
        let listed = result.remove("tools").ok_or("no tools")?;
        let expected: Vec<_> = catalogue::tools(set)
            .iter()
            .map(|tool| {
                json!({
                    "name": tool.name,
                    "description": tool.description,
                    "inputSchema": tool.schema_value(),
                })
            })
            .collect();
        equal("tools", Some(listed), &json!(expected))?;
        equal("the rest of the list", Some(json!(result)), &json!({}))
    }

    fn discover(&self, result: &mut Map<String, Value>) -> Checked {
        self.caching(result)?;
        let versions = result.get("supportedVersions").and_then(Value::as_array);
        if !versions.is_some_and(|versions| versions.contains(&json!("2026-07-28"))) {
            return Err("no version 2026-07-28".to_owned());
        }
        capabilities(result)
    }

    /// The hints that cacheable results of the modern era must have.
    fn caching(&self, result: &mut Map<String, Value>) -> Checked {
        let (ttl, scope) = (result.remove("ttlMs"), result.remove("cacheScope"));
        let hinted = ttl.is_some_and(|ttl| ttl.is_u64()) && scope.is_some_and(|scope| scope.is_string());
        if self.era == Era::Modern && !hinted {
            return Err("no caching hints".to_owned());
        }
        Ok(())
    }
}

fn initialize(result: &Map<String, Value>) -> Checked {
    equal("protocolVersion", result.get("protocolVersion").cloned(), &json!("2025-11-25"))?;
    let server = result.get("serverInfo").cloned().unwrap_or_default();
    equal("server name", server.get("name").cloned(), &json!(SERVER_NAME))?;
    capabilities(result)
}

fn capabilities(result: &Map<String, Value>) -> Checked {
    let tools = result.get("capabilities").and_then(|capabilities| capabilities.get("tools"));
    match tools {
        Some(Value::Object(_)) => Ok(()),
        _ => Err("no capability for tools".to_owned()),
    }
}

fn call(mut result: Map<String, Value>, text: &str) -> Checked {
    // A call that did not fail may have `isError: false` or no such member.
    if result.get("isError") == Some(&json!(false)) {
        result.remove("isError");
    }
    let expected = json!({"content": [{"type": "text", "text": text}]});
    equal("result", Some(json!(result)), &expected)
}

fn result(mut response: Value) -> Checked<Map<String, Value>> {
    equal("jsonrpc", Some(response["jsonrpc"].take()), &json!("2.0"))?;
    equal("id", Some(response["id"].take()), &json!(1))?;
    match response["result"].take() {
        Value::Object(result) => Ok(result),
        _ => Err(format!("no result: {response}")),
    }
}

fn messages(reply: &Reply) -> Checked<Vec<Value>> {
    let body = str::from_utf8(&reply.body).map_err(|error| error.to_string())?;
    let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    if !reply.is_event_stream {
        return Ok(vec![parse(body)?]);
    }
    body.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .filter(|data| !data.is_empty())
        .map(parse)
        .collect()
}

fn equal(what: &str, said: Option<Value>, expected: &Value) -> Checked {
    let said = said.unwrap_or_default();
    if said == *expected {
        return Ok(());
    }
    let mut said = said.to_string();
    let mut expected = expected.to_string();
    // Enough to see the difference between most replies.
    for text in [&mut said, &mut expected] {
        *text = text.chars().take(400).collect();
    }
    Err(format!("{what}: {said} instead of {expected}"))
}
