//! The workloads: what is asked of every server, and how the replies must be.

use std::fmt::Write as _;

use crate::{
    catalogue::ToolSet,
    era::Era,
    expect::{Content, Expectation},
    sample,
    server::Setting,
};

/// A request that is sent over and over.
pub(crate) struct Workload {
    /// The panel of the chart that it belongs to.
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) era: Era,
    tools: ToolSet,
    pub(crate) expectation: Expectation,
    /// Numbers of connections to measure with.
    pub(crate) connections: &'static [usize],
    method: &'static str,
    /// The name of the tool called, or nothing.
    tool: &'static str,
    /// The members of `params` but `_meta`.
    params: String,
    /// Members of `_meta` beside those that each modern request has.
    meta: &'static str,
}

impl Workload {
    /// The name and the revision.
    pub(crate) fn title(&self) -> String {
        format!("{}, {}", self.name, self.era.name())
    }

    /// What a server that is to answer it is started with.
    pub(crate) fn setting(&self) -> Setting {
        Setting { tools: self.tools, sse: matches!(self.expectation.content, Content::Countdown { .. }) }
    }

    /// The whole HTTP request.
    pub(crate) fn request(&self) -> Vec<u8> {
        let body = self.body();
        let mut head = String::from(
            "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n",
        );
        head.push_str(&self.headers());
        write!(head, "content-length: {}\r\n\r\n", body.len()).expect("a string takes all");
        [head, body].concat().into_bytes()
    }

    fn headers(&self) -> String {
        match self.era {
            // The version is what an initialisation is to find out.
            Era::Legacy if self.method == "initialize" => String::new(),
            Era::Legacy => "mcp-protocol-version: 2025-11-25\r\n".to_owned(),
            Era::Modern => {
                let name = match self.tool {
                    "" => String::new(),
                    tool => format!("mcp-name: {tool}\r\n"),
                };
                format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: {}\r\n{name}", self.method)
            }
        }
    }

    /// The members in the order of the specification's examples.
    fn body(&self) -> String {
        let modern = match self.era {
            Era::Legacy => "",
            Era::Modern => MODERN_META,
        };
        let meta = [self.meta, modern]
            .into_iter()
            .filter(|members| !members.is_empty())
            .collect::<Vec<_>>()
            .join(",");
        let meta = match &*meta {
            "" => meta,
            members => format!(r#""_meta":{{{members}}}"#),
        };
        let params = [&*self.params, &*meta]
            .into_iter()
            .filter(|members| !members.is_empty())
            .collect::<Vec<_>>()
            .join(",");
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{{{params}}}}}"#, self.method)
    }
}

const MODERN_META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"load","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}"#;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// Every workload, in the order of the report.
pub(crate) fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    all.extend(ERAS.map(add));
    all.extend(ERAS.map(|era| list(era, "tools/list, 2 tools", ToolSet::Two)));
    all.extend(ERAS.map(|era| list(era, "tools/list, 100 tools", ToolSet::Hundred)));
    all.extend([initialize(), discover()]);
    for (name, length) in [("echo, 1 KiB", 1024), ("echo, 64 KiB", 64 * 1024), ("echo, 1 MiB", 1024 * 1024)] {
        all.extend(ERAS.map(|era| echo(era, name, length)));
    }
    all.extend(ERAS.map(countdown));
    all
}

pub(crate) fn add(era: Era) -> Workload {
    Workload {
        group: "tools/call: add",
        connections: &[1, 32, 512],
        ..call(era, "add", "add", r#"{"a":17,"b":25}"#, "42".to_owned())
    }
}

pub(crate) fn echo(era: Era, name: &'static str, length: usize) -> Workload {
    let text = sample::text(length);
    let json = serde_json::to_string(&text).expect("a string is JSON");
    Workload { group: name, ..call(era, name, "echo", &format!(r#"{{"text":{json}}}"#), text) }
}

pub(crate) fn countdown(era: Era) -> Workload {
    let arguments = r#"{"from":10,"interval_ms":0}"#;
    Workload {
        group: "tools/call: ten progress notifications",
        meta: r#""progressToken":"count-1""#,
        expectation: Expectation::new(era, Content::Countdown { token: "count-1", from: 10 }),
        ..call(era, "countdown", "countdown", arguments, String::new())
    }
}

fn call(era: Era, name: &'static str, tool: &'static str, arguments: &str, text: String) -> Workload {
    Workload {
        group: "tools/call",
        name,
        era,
        tools: ToolSet::Four,
        expectation: Expectation::new(era, Content::Text(text)),
        connections: &[32],
        method: "tools/call",
        tool,
        params: format!(r#""name":"{tool}","arguments":{arguments}"#),
        meta: "",
    }
}

pub(crate) fn list(era: Era, name: &'static str, tools: ToolSet) -> Workload {
    Workload {
        group: name,
        tools,
        expectation: Expectation::new(era, Content::Tools(tools)),
        ..plain(era, name, "tools/list")
    }
}

fn initialize() -> Workload {
    Workload {
        params: r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1.0.0"}"#
            .to_owned(),
        expectation: Expectation::new(Era::Legacy, Content::Initialize),
        ..plain(Era::Legacy, "initialize", "initialize")
    }
}

fn discover() -> Workload {
    Workload {
        expectation: Expectation::new(Era::Modern, Content::Discover),
        ..plain(Era::Modern, "server/discover", "server/discover")
    }
}

fn plain(era: Era, name: &'static str, method: &'static str) -> Workload {
    Workload {
        group: "initialize, server/discover",
        method,
        tool: "",
        params: String::new(),
        ..call(era, name, "", "{}", String::new())
    }
}
