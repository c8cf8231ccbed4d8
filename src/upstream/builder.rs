//! How an upstream is set up.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::Upstream;
use super::target::Target;
use crate::error::ConfigError;
use crate::principal::Principal;

/// Tells callers apart: what it returns is the key of a caller's session.
pub(super) type Credential = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// The settings of an upstream, fixed once built.
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) credential: Box<Credential>,
    pub(super) max_sessions: usize,
    pub(super) idle_timeout: Duration,
    pub(super) open_timeout: Duration,
    pub(super) call_timeout: Option<Duration>,
}

/// Sets up an [`Upstream`]; made by [`Upstream::stdio`] and [`Upstream::http`].
#[must_use]
pub struct UpstreamBuilder {
    settings: Settings,
    /// The first thing that was wrong.
    fault: Option<String>,
}

impl fmt::Debug for UpstreamBuilder {
    // Environments and headers hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UpstreamBuilder").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl UpstreamBuilder {
    pub(super) fn new(target: Target) -> Self {
        let name = match &target {
            Target::Stdio(program) => program.command.to_string_lossy().into(),
            Target::Http { url, .. } => Arc::from(url.split('?').next().unwrap_or_default()),
        };
        let settings = Settings {
            name,
            target,
            credential: Box::new(|head| Principal::of(head).map(ToString::to_string)),
            max_sessions: 100,
            idle_timeout: Duration::from_secs(600),
            open_timeout: Duration::from_secs(30),
            call_timeout: None,
        };
        Self { settings, fault: None }
    }

    /// The label of the upstream in logs and in errors, which clients may see; by default
    /// the command, or the URL without its query.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Adds an argument of the command.
    pub fn arg(self, arg: impl Into<OsString>) -> Self {
        self.args([arg])
    }

    /// Adds arguments of the command.
    pub fn args(mut self, more: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.args.extend(more.into_iter().map(Into::into)),
            Target::Http { .. } => self.misplaced("arguments are for upstreams over stdio"),
        }
        self
    }

    /// Sets a variable of the command's environment, which it has beside the host's own.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.env.push((key.into(), value.into())),
            Target::Http { .. } => self.misplaced("an environment is for upstreams over stdio"),
        }
        self
    }

    /// Sets the directory that the command runs in; by default the host's own.
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.dir = Some(path.into()),
            Target::Http { .. } => self.misplaced("a directory is for upstreams over stdio"),
        }
        self
    }

    /// Adds a header that goes out with every request, whoever calls.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let parsed = HeaderName::try_from(name.as_ref()).ok().zip(HeaderValue::try_from(value.as_ref()).ok());
        match (&mut self.settings.target, parsed) {
            (Target::Http { .. }, Some((name, _))) if is_reserved(&name) => {
                self.misplaced(&format!("the header {name} is the protocol's own"));
            }
            (Target::Http { headers, .. }, Some((name, mut value))) => {
                value.set_sensitive(true);
                headers.append(name, value);
            }
            (Target::Http { .. }, None) => {
                self.misplaced(&format!("the header {:?} or its value is not valid", name.as_ref()));
            }
            (Target::Stdio(_), _) => self.misplaced("headers are for upstreams over HTTP"),
        }
        self
    }

    /// Passes a header of the caller's on. None is by default. Callers whose `Authorization`
    /// or `Cookie` differ, if these are passed on, do not share a session; nor do callers
    /// without a [`credential`](Self::credential) whose other passed-on headers differ.
    pub fn forward_header(mut self, name: HeaderName) -> Self {
        match &mut self.settings.target {
            Target::Http { .. } if is_reserved(&name) => {
                self.misplaced(&format!("the header {name} is not the caller's to choose"));
            }
            Target::Http { forwarded, .. } => forwarded.push(name),
            Target::Stdio(_) => self.misplaced("headers are for upstreams over HTTP"),
        }
        self
    }

    /// What tells callers apart: calls of the same key share a session, others never do;
    /// those without a key are one caller, unless their passed-on headers differ. By default
    /// the request's [`Principal`](crate::Principal).
    pub fn credential(mut self, key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.settings.credential = Box::new(key);
        self
    }

    /// How many sessions, or children, may be open at the same time; 100 by default. At
    /// the bound the one that was not used for the longest time makes room.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings.max_sessions = sessions;
        self
    }

    /// Closes a session that was not used for so long; 10 minutes by default.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout;
        self
    }

    /// How long opening a session may take; 30 seconds by default.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.settings.open_timeout = timeout;
        self
    }

    /// How long the upstream may take for one call; by default only the manager's
    /// [`tool_time_limit`](crate::ManagerBuilder::tool_time_limit) holds.
    pub fn call_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.call_timeout = timeout.into();
        self
    }

    /// Builds the upstream. Nothing is started or sent before the first call.
    ///
    /// # Errors
    /// Names the first setting that is wrong, or that does not go with the transport.
    pub fn build(self) -> Result<Upstream, ConfigError> {
        let Self { settings, mut fault } = self;
        if settings.max_sessions == 0 {
            fault.get_or_insert_with(|| "an upstream needs at least one session".to_owned());
        }
        if let Target::Http { url, .. } = &settings.target
            && !is_http(url)
        {
            fault.get_or_insert_with(|| "its URL must be one of http:// or https://".to_owned());
        }
        match fault {
            None => Upstream::new(settings),
            Some(fault) => Err(ConfigError::upstream(&settings.name, &fault)),
        }
    }

    fn misplaced(&mut self, fault: &str) {
        self.fault.get_or_insert_with(|| fault.to_owned());
    }
}

/// Whether a header belongs to the protocol, or to the connection.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    let of_message = [
        "accept",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "origin",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    of_message.contains(&name) || name.starts_with("mcp-")
}

fn is_http(url: &str) -> bool {
    let url = url.parse::<http::Uri>();
    url.is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some())
}
