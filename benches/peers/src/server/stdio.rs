//! The server behind the gateway. It does as little as possible, over standard input and output, so
//! that the cost of a call is the gateway's.

use std::io::{self, BufRead as _, Write as _};

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::catalogue::{self, SERVER_NAME, SERVER_VERSION, ToolSet};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Add {
    arguments: Integers,
}

#[derive(Deserialize)]
struct Integers {
    a: i64,
    b: i64,
}

/// Answers until standard input ends.
pub(crate) fn run() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let request: Request = serde_json::from_str(&line)?;
        let Some(id) = request.id else { continue };
        let answer = match answer(&request)? {
            Some(result) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n"),
            None => format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"Method not found\"}}}}\n"
            ),
        };
        out.write_all(answer.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn answer(request: &Request) -> io::Result<Option<String>> {
    let params = request.params.map_or("{}", RawValue::get);
    Ok(Some(match request.method {
        "tools/call" => {
            let Integers { a, b } = serde_json::from_str::<Add>(params)?.arguments;
            format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]}}", a.wrapping_add(b))
        }
        "tools/list" => {
            let tools = catalogue::tools(ToolSet::Two);
            let tools = tools.iter().map(|tool| {
                json!({"name": tool.name, "description": tool.description, "inputSchema": tool.schema_value()})
            });
            json!({"tools": tools.collect::<Vec<_>>()}).to_string()
        }
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": SERVER_NAME, "version": SERVER_VERSION},
        })
        .to_string(),
        "ping" => "{}".to_owned(),
        _ => return Ok(None),
    }))
}
