//! The workloads: requests to every server, and their expected replies.

use crate::{
    catalogue::ToolSet,
    era::Era,
    expect::{Content, Expectation},
    http::Http,
    load::Request,
    sample,
    server::Setting,
};

/// A request that is repeated.
pub(crate) struct Workload {
    /// The panel of the chart that it belongs to.
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) era: Era,
    tools: ToolSet,
    pub(crate) expectation: Expectation,
    pub(crate) http: Http,
    /// Numbers of connections to measure with.
    pub(crate) connections: &'static [usize],
    method: &'static str,
    /// The name of the tool, or an empty string.
    tool: &'static str,
    /// The members of `params` except `_meta`.
    params: String,
    /// The members of `_meta` in addition to those that every modern request has.
    meta: &'static str,
}

impl Workload {
    /// The name and the revision.
    pub(crate) fn title(&self) -> String {
        format!("{}, {}", self.name, self.era.name())
    }

    /// Returns the configuration of a server for this workload.
    pub(crate) fn setting(&self) -> Setting {
        Setting {
            tools: self.tools,
            sse: matches!(self.expectation.content, Content::Countdown { .. }),
            http: self.http,
        }
    }

    pub(crate) fn request(&self) -> Request {
        Request { headers: self.headers(), body: self.body() }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers =
            vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        match self.era {
            // The version is negotiated by `initialize`.
            Era::Legacy if self.method == "initialize" => {}
            Era::Legacy => headers.push(("mcp-protocol-version", "2025-11-25")),
            Era::Modern => {
                headers.extend([("mcp-protocol-version", "2026-07-28"), ("mcp-method", self.method)]);
                if !self.tool.is_empty() {
                    headers.push(("mcp-name", self.tool));
                }
            }
        }
        headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
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
    all.extend(ERAS.map(add_over_http2));
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
        connections: &[1, 32, 512, 10_000],
        ..call(era, "add", "add", r#"{"a":17,"b":25}"#, "42".to_owned())
    }
}

/// Like the requests of a proxy, which has few connections for many clients.
fn add_over_http2(era: Era) -> Workload {
    Workload {
        group: "tools/call: add over HTTP/2",
        name: "add over HTTP/2",
        http: Http::Http2,
        connections: &[4],
        ..add(era)
    }
}

/// A call whose tool waits.
pub(crate) fn wait(era: Era, milliseconds: u64) -> Workload {
    Workload {
        tools: ToolSet::Wait,
        ..call(era, "wait", "wait", &format!(r#"{{"ms":{milliseconds}}}"#), "done".to_owned())
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
        http: Http::Http1,
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
