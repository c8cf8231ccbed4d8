//! The servers' answers, for the user.

use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::sync::Arc;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use mcp_stateless_upstream::{UpstreamError, UpstreamInfo};

use crate::servers::Server;
use crate::text::shown;

/// A server's information about itself, or the reason why it is down.
pub(crate) type Finding = Result<UpstreamInfo, String>;

/// The last column contains the reason why a server is down, or which lists it failed to return.
const HEADINGS: [&str; 10] =
    ["server", "transport", "name", "version", "revision", "tools", "prompts", "resources", "templates", ""];

/// Asks all servers at the same time, each at most for `limit`. Returns the answers in their order.
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

/// Formats an error with all its causes, each once, and with the member of the file that may help.
/// Leaves out the name of its server, which stands beside it.
fn causes(error: &UpstreamError, server: &str) -> String {
    let text = error.to_string();
    let mut text = text.strip_prefix(&format!("upstream {server:?} ")).unwrap_or(&text).to_owned();
    match error {
        UpstreamError::OpenTimeout { limit, said, .. } => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            text = format!("did not open within {limit:?}, which \"startup_timeout_sec\" sets{said}");
        }
        UpstreamError::Open { reason, .. } if reason.contains("HTTP 401") => {
            text.push_str("; its credentials belong in \"headers\"");
        }
        _ => {}
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            // Writing to a `String` never fails.
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    shown(&text)
}

/// Formats a line for each server.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    pub(crate) fn new(servers: &[Arc<Server>], findings: &[Finding]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_header(HEADINGS);
        for (server, finding) in servers.iter().zip(findings) {
            let mut row = vec![server.name.clone(), server.transport.to_owned()];
            match finding {
                Ok(info) => {
                    row.extend([&info.name, &info.version, &info.revision].map(|text| shown(text)));
                    let tools = info.tools.iter().filter(|tool| server.tools.admit(tool)).count();
                    let others = [&info.prompts, &info.resources, &info.resource_templates].map(Vec::len);
                    row.extend([tools].into_iter().chain(others).map(|count| count.to_string()));
                    row.push(shown(&info.failed_lists.join("; ")));
                }
                Err(reason) => {
                    row.push("down".to_owned());
                    row.resize(HEADINGS.len() - 1, String::new());
                    row.push(reason.clone());
                }
            }
            table.add_row(row);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        Self(table)
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last column is as wide as its longest reason.
        self.0.lines().try_for_each(|line| writeln!(formatter, "{}", line.trim_end()))
    }
}
