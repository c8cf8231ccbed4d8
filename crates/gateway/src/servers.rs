//! The servers behind the gateway.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mcp_stateless::Registry;
use mcp_stateless::registry::{Filtered, Item};
use mcp_stateless_upstream::{Upstream, UpstreamBuilder, UpstreamError, UpstreamInfo, UpstreamStats};
use tokio::sync::Notify;

use crate::config::{self, ToolRules, Transport};
use crate::text::shown;

/// The first and the longest pause before a server that is down is asked again.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// How often to check whether a server was restarted.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    pub(crate) name: String,
    /// `stdio` or `http`.
    pub(crate) transport: &'static str,
    pub(crate) upstream: Upstream,
    /// The tools that are served.
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) tools: Arc<ToolRules>,
    /// The server's latest information about itself.
    about: RwLock<Option<Arc<UpstreamInfo>>>,
}

impl Server {
    /// Nothing is started before the first request.
    pub(crate) fn new(config::Server { name, entry }: config::Server) -> Result<Self, UpstreamError> {
        let tools = Arc::new(entry.tools);
        let (transport, builder) = builder(entry.transport);
        let builder = entry.open_timeout.into_iter().fold(builder, UpstreamBuilder::open_timeout);
        let builder = match entry.call_timeout {
            Some(limit) => builder.call_timeout(limit),
            None => builder,
        };
        let builder = builder.client_info("mcp-gateway", env!("CARGO_PKG_VERSION"));
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

    /// Returns the server's latest information about itself, if there is any.
    pub(crate) fn about(&self) -> Option<Arc<UpstreamInfo>> {
        self.about.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn found(&self, info: UpstreamInfo) {
        *self.about.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(info));
    }

    /// Asks the server about itself until it answers, and again after each restart, and notifies
    /// `is_up` when it answers. Never completes.
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
                        let (name, version) = (shown(&info.name), shown(&info.version));
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

/// Increases when a session was lost, after which the server may have changed.
fn restarts(stats: &UpstreamStats) -> u64 {
    stats.reopened + stats.failed
}

/// Creates the upstream of a server. A child inherits only what the library passes to every child,
/// and the variables that the entry names.
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
