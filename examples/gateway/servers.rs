//! The servers behind the gateway.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mcp_stateless::Registry;
use mcp_stateless::registry::{Filtered, Item};
use mcp_stateless_upstream::{Upstream, UpstreamBuilder, UpstreamError, UpstreamInfo, UpstreamStats};
use thiserror::Error;
use tokio::sync::Notify;

use crate::config;
use crate::entry::Transport;
use crate::report::{self, Finding};
use crate::rules::ToolRules;

/// How long a server that is down is left alone before it is asked again, at first and at most.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// How often it is looked whether a server has been started anew.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    pub(crate) name: String,
    /// `stdio` or `http`.
    pub(crate) transport: &'static str,
    pub(crate) upstream: Upstream,
    /// What is served of it.
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) tools: Arc<ToolRules>,
    /// What it said of itself last.
    about: RwLock<Option<Arc<UpstreamInfo>>>,
}

impl Server {
    /// Nothing is started before somebody asks for something.
    pub(crate) fn new(config::Server { name, entry }: config::Server) -> Result<Self, UpstreamError> {
        let tools = Arc::new(entry.tools);
        let (transport, builder) = builder(entry.transport);
        let builder = entry.open_timeout.into_iter().fold(builder, UpstreamBuilder::open_timeout);
        let builder = match entry.call_timeout {
            Some(limit) => builder.call_timeout(limit),
            None => builder,
        };
        let upstream = builder.name(name.as_str()).era(entry.era).build()?;
        let registry: Arc<dyn Registry> = if tools.are_empty() {
            Arc::new(upstream.clone())
        } else {
            let tools = Arc::clone(&tools);
            Arc::new(Filtered::new(
                upstream.clone(),
                move |item: Item<'_>, _: &axum::http::request::Parts| !matches!(item, Item::Tool(name) if !tools.admit(name)),
            ))
        };
        Ok(Self { name, transport, upstream, registry, tools, about: RwLock::default() })
    }

    /// What it said of itself last, if it ever did.
    pub(crate) fn about(&self) -> Option<Arc<UpstreamInfo>> {
        self.about.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn found(&self, info: UpstreamInfo) {
        *self.about.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(info));
    }

    /// Keeps up with what the server says of itself: asks until it answers, and again when it
    /// has been started anew, and notifies `is_up` when it is. Never ends.
    pub(crate) async fn follow(&self, is_up: &Notify) {
        let mut delay = FIRST_DELAY;
        let mut is_known = self.about().is_some();
        loop {
            if is_known {
                let before = restarts(&self.upstream.stats());
                while restarts(&self.upstream.stats()) == before {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                is_known = false;
            }
            match self.upstream.probe().await {
                Ok(info) => {
                    if self.about().is_none() {
                        let (name, version) = (report::shown(&info.name), report::shown(&info.version));
                        tracing::info!(server = self.name, name, version, "the server is up");
                    }
                    self.found(info);
                    is_up.notify_one();
                    (is_known, delay) = (true, FIRST_DELAY);
                }
                Err(error) => {
                    tracing::debug!(server = self.name, %error, "the server is down");
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(LONGEST_DELAY);
                }
            }
        }
    }
}

/// Grows when a session was lost, after which the server may be another one.
fn restarts(stats: &UpstreamStats) -> u64 {
    stats.reopened + stats.failed
}

/// How a server is reached. A child gets nothing of the gateway's environment but what the
/// library passes to every child, and what was named.
fn builder(transport: Transport) -> (&'static str, UpstreamBuilder) {
    match transport {
        Transport::Stdio { command, args, env, inherited, cwd } => {
            let builder = Upstream::stdio(command).args(args).inherit_env(inherited);
            let builder = env.into_iter().fold(builder, |builder, (name, value)| builder.env(name, value));
            ("stdio", cwd.into_iter().fold(builder, UpstreamBuilder::current_dir))
        }
        Transport::Http { url, headers } => {
            let add = |builder: UpstreamBuilder, (name, value)| builder.header(name, value);
            ("http", headers.into_iter().fold(Upstream::http(url), add))
        }
    }
}

#[derive(Debug, Error)]
#[error("the {kind} {name:?} would be both of {:?} and of {:?}: rename one of the servers", .servers[0], .servers[1])]
pub(crate) struct Collision {
    kind: &'static str,
    name: String,
    servers: [String; 2],
}

/// The names of the tools that are served, as clients of all servers see them.
///
/// # Errors
/// When two servers have tools, or prompts, whose names are the same with their prefixes:
/// nobody could tell which is called.
pub(crate) fn tool_names(servers: &[Arc<Server>], findings: &[Finding]) -> Result<Vec<String>, Collision> {
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
