//! Another server as a registry.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use super::builder::{Settings, Target};
use super::{UpstreamBuilder, UpstreamError, UpstreamInfo, UpstreamStats};
use crate::protocol::{Offer, ServerCapabilities};
use crate::registry::Registry;

/// Another MCP server, whose tools, prompts and resources are served here. Clones are the
/// same one.
///
/// Sessions are opened when they are needed, one for each caller, and closed when they are
/// idle for long, by [`shut_down`](Self::shut_down), or with the last clone. Needs a Tokio
/// runtime.
///
/// ```no_run
/// use mcp_stateless::{Catalog, Upstream};
///
/// let files = Upstream::stdio("npx").args(["-y", "files-server", "."]).name("files").build()?;
/// let issues = Upstream::http("https://example.com/mcp").header("X-Api-Key", "secret").build()?;
/// let catalog = Catalog::builder().add_prefixed("files", files).add_prefixed("issues", issues).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Upstream(Arc<Settings>);

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Upstream {
    /// A server that is a program, started for each caller, and spoken with over its
    /// standard input and output.
    pub fn stdio(command: impl Into<OsString>) -> UpstreamBuilder {
        let (command, args, env) = (command.into(), Vec::new(), Vec::new());
        UpstreamBuilder::new(Target::Stdio { command, args, env, dir: None })
    }

    /// A server at a URL, spoken with over Streamable HTTP.
    pub fn http(url: impl Into<String>) -> UpstreamBuilder {
        let (headers, forwarded) = Default::default();
        UpstreamBuilder::new(Target::Http { url: url.into(), headers, forwarded })
    }

    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Opens a session of nobody's, if there is none, and tells what the upstream tells of
    /// itself.
    ///
    /// # Errors
    /// When it cannot be opened, or does not list what it has.
    #[expect(clippy::unused_async, reason = "a skeleton")]
    pub async fn probe(&self) -> Result<UpstreamInfo, UpstreamError> {
        Ok(UpstreamInfo::default())
    }

    /// Closes all sessions and ends all children, and waits until they have ended. Calls
    /// under way and later ones fail.
    #[expect(clippy::unused_async, reason = "a skeleton")]
    pub async fn shut_down(&self) {}

    /// Numbers, for tests and metrics.
    pub fn stats(&self) -> UpstreamStats {
        UpstreamStats::default()
    }
}

impl Registry for Upstream {
    fn capabilities(&self) -> ServerCapabilities {
        let offer = Offer::Fixed;
        ServerCapabilities {
            tools: offer,
            prompts: offer,
            resources: offer,
            ..ServerCapabilities::COMPLETIONS
        }
    }
}
