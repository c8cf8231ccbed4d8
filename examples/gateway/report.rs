//! What the servers answered, for the user to read.

use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::sync::Arc;
use std::time::Duration;

use mcp_stateless_upstream::{UpstreamError, UpstreamInfo};

use crate::servers::Server;

/// What a server said of itself, or why it is down.
pub(crate) type Finding = Result<UpstreamInfo, String>;

const HEADINGS: [&str; 9] =
    ["server", "transport", "name", "version", "revision", "tools", "prompts", "resources", "templates"];

/// How many columns are there for a server that is down, too.
const COMMON: usize = 2;

/// Asks all servers at once, each no longer than `limit`; the answers are in their order.
pub(crate) async fn ask_all(servers: &[Arc<Server>], limit: Duration) -> Vec<Finding> {
    let ask = |server: &Arc<Server>| {
        let upstream = server.upstream.clone();
        tokio::spawn(async move { tokio::time::timeout(limit, upstream.probe()).await })
    };
    let asked: Vec<_> = servers.iter().map(ask).collect();
    let mut findings = Vec::with_capacity(asked.len());
    for (server, answer) in servers.iter().zip(asked) {
        findings.push(match answer.await {
            Ok(Ok(Ok(info))) => Ok(info),
            Ok(Ok(Err(error))) => Err(causes(&error, &server.name)),
            Ok(Err(_)) => Err(format!("no answer within {limit:?} yet")),
            Err(error) => Err(error.to_string()),
        });
    }
    findings
}

/// An error with all its causes, each once, without the name of its server, beside which it
/// stands.
fn causes(error: &UpstreamError, server: &str) -> String {
    let text = error.to_string();
    let mut text = text.strip_prefix(&format!("upstream {server:?} ")).unwrap_or(&text).to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            // A `String` takes all that is written.
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    shown(&text)
}

/// In one line, and without what terminals take for commands: others have written it.
pub(crate) fn shown(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "")
}

/// One line for each server.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(servers: &[Arc<Server>], findings: &[Finding]) -> Self {
        let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
        rows.extend(servers.iter().zip(findings).map(|(server, finding)| {
            let mut row = vec![server.name.clone(), server.transport.to_owned()];
            match finding {
                Ok(info) => {
                    row.extend([&info.name, &info.version, &info.revision].map(|text| shown(text)));
                    let tools = info.tools.iter().filter(|tool| server.tools.admit(tool)).count();
                    let others = [&info.prompts, &info.resources, &info.resource_templates];
                    row.push(tools.to_string());
                    row.extend(others.map(|list| list.len().to_string()));
                }
                Err(reason) => row.push(format!("down: {reason}")),
            }
            row
        }));
        Self(rows)
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; HEADINGS.len()];
        for row in &self.0 {
            // A reason is as long as it is, and stands under no heading.
            let cells = if row.len() < HEADINGS.len() { &row[..COMMON] } else { row };
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.0 {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                write!(line, "{cell:width$}  ")?;
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
