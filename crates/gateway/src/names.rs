//! The names of items, as clients of all servers see them.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use crate::report::Finding;
use crate::servers::Server;

#[derive(Debug, Error)]
#[error("the {kind} {name:?} would be both of {:?} and of {:?}: rename one of the servers", .servers[0], .servers[1])]
pub(crate) struct Collision {
    kind: &'static str,
    name: String,
    servers: [String; 2],
}

/// Returns the names of the served tools, as clients of all servers see them.
///
/// # Errors
/// Returns an error if tools or prompts of two servers have the same name with their prefixes, which makes
/// calls ambiguous.
pub(crate) fn of_tools(servers: &[Arc<Server>], findings: &[Finding]) -> Result<Vec<String>, Collision> {
    let (mut tools, mut prompts) = (HashMap::new(), HashMap::new());
    let mut names = Vec::new();
    let answered =
        servers.iter().zip(findings).filter_map(|(server, finding)| Some((server, finding.as_ref().ok()?)));
    for (server, info) in answered {
        for (kind, list, taken) in
            [("tool", &info.tools, &mut tools), ("prompt", &info.prompts, &mut prompts)]
        {
            for name in list.iter().filter(|name| kind != "tool" || server.tools.admit(name)) {
                let name = format!("{}-{name}", server.name);
                if let Some(other) = taken.insert(name.clone(), &server.name)
                    && *other != server.name
                {
                    let servers = [other.clone(), server.name.clone()];
                    return Err(Collision { kind, name, servers });
                }
                if kind == "tool" {
                    names.push(name);
                }
            }
        }
    }
    Ok(names)
}
