//! The servers behind the gateway.

use std::collections::HashMap;

use mcp_stateless::{ConfigError, Upstream, UpstreamBuilder};
use thiserror::Error;

use crate::config::{self, Transport};
use crate::report::Finding;

pub(crate) struct Server {
    pub(crate) name: String,
    /// `stdio` or `http`.
    pub(crate) transport: &'static str,
    pub(crate) upstream: Upstream,
}

impl Server {
    /// Nothing is started before somebody asks for something.
    pub(crate) fn new(config::Server { name, transport }: config::Server) -> Result<Self, ConfigError> {
        let (transport, builder) = match transport {
            Transport::Stdio { command, args, env, cwd } => {
                let set = |builder: UpstreamBuilder, (key, value)| builder.env(key, value);
                let builder = env.into_iter().fold(Upstream::stdio(command).args(args), set);
                ("stdio", cwd.into_iter().fold(builder, UpstreamBuilder::current_dir))
            }
            Transport::Http { url, headers } => {
                let add = |builder: UpstreamBuilder, (name, value)| builder.header(name, value);
                ("http", headers.into_iter().fold(Upstream::http(url), add))
            }
        };
        let upstream = builder.name(name.as_str()).build()?;
        Ok(Self { name, transport, upstream })
    }
}

#[derive(Debug, Error)]
#[error("the {kind} {name:?} would be both of {:?} and of {:?}: rename one of the servers", .servers[0], .servers[1])]
pub(crate) struct Collision {
    kind: &'static str,
    name: String,
    servers: [String; 2],
}

/// The names of the tools, as clients of all servers see them.
///
/// # Errors
/// When two servers have tools, or prompts, whose names are the same with their prefixes:
/// nobody could tell which is called.
pub(crate) fn tool_names(servers: &[Server], findings: &[Finding]) -> Result<Vec<String>, Collision> {
    let (mut tools, mut prompts) = (HashMap::new(), HashMap::new());
    let mut names = Vec::new();
    let answered =
        servers.iter().zip(findings).filter_map(|(server, finding)| Some((server, finding.as_ref().ok()?)));
    for (server, info) in answered {
        for (kind, list, taken) in
            [("tool", &info.tools, &mut tools), ("prompt", &info.prompts, &mut prompts)]
        {
            for name in list {
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
